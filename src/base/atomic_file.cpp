#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace rwkv {

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  struct stat found;
  if (::stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) throw Error(Code::kIo, "{}: is a folder, expected a file's name", path);
    renames_ = S_ISREG(found.st_mode);
    if (char* real = ::realpath(path.c_str(), nullptr)) {
      path_ = real;
      std::free(real);
    }
  }
  if (renames_) {
    neighbour_ = path_ + ".part-XXXXXX";
    fd_ = ::mkostemp(neighbour_.data(), O_CLOEXEC);  // a name that nobody has, made for us alone
    if (fd_ >= 0) ::fchmod(fd_, 0644);
  } else {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  }
  if (fd_ < 0) throw Error(Code::kIo, "{}: cannot be written: {}", path, std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (renames_) ::unlink(neighbour_.c_str());
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
  if (renames_ && (::fsync(fd_) != 0 || ::rename(neighbour_.c_str(), path_.c_str()) != 0))
    throw Error(Code::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
  ::close(fd_);
  fd_ = -1;
}

AtomicFolder::AtomicFolder(const std::string& path) : path_(path) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  neighbour_ = path_ + ".part-" + std::to_string(::getpid());
  std::error_code error;
  if (std::filesystem::exists(path_, error) && !std::filesystem::is_empty(path_, error))
    throw Error(Code::kIo, "{}: is there already and not empty", path_);
  if (!std::filesystem::create_directory(neighbour_, error))
    throw Error(Code::kIo, "{}: cannot be written: {}", path_, error.message());
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!committed_) std::filesystem::remove_all(neighbour_, ignored);
}

void AtomicFolder::commit() {
  if (::rename(neighbour_.c_str(), path_.c_str()) != 0)
    throw Error(Code::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
  committed_ = true;
}

}  // namespace rwkv
