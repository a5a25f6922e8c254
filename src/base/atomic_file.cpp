#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace rwkv {

AtomicFile::AtomicFile(const std::string& path)
    : path_(path), neighbour_(path + ".part-XXXXXX") {
  fd_ = ::mkostemp(neighbour_.data(), O_CLOEXEC);  // a name that nobody has, made for us alone
  if (fd_ >= 0) ::fchmod(fd_, 0644);
  if (fd_ < 0) throw Error(Code::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(neighbour_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(Code::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0 || ::rename(neighbour_.c_str(), path_.c_str()) != 0)
    throw Error(Code::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
  ::close(fd_);
  fd_ = -1;
}

}  // namespace rwkv
