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
namespace {

// The beginning of a name beside `path` that leaves room for an ending: names have up to 255 bytes.
std::string beside(const std::string& path) {
  const std::filesystem::path p = path;
  return (p.parent_path() / p.filename().string().substr(0, 200)).string() + ".part-";
}

std::string end_of_links(std::filesystem::path path) {
  const std::string given = path.string();
  std::error_code failed;
  for (int i = 0; std::filesystem::is_symlink(path, failed); ++i) {
    if (i == 40) throw Error(Code::kIo, "{}: cannot be written: {}", given, std::strerror(ELOOP));
    path = path.parent_path() / std::filesystem::read_symlink(path, failed);  // one that begins at the root stays alone
  }
  return path.string();
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  struct stat found;
  if (::stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) throw Error(Code::kIo, "{}: is a folder, expected a file's name", path);
    renames_ = S_ISREG(found.st_mode);
    if (char* real = ::realpath(path.c_str(), nullptr)) {
      path_ = real;
      std::free(real);
    }
  } else {
    path_ = end_of_links(path);  // to where no file is yet
  }
  // A pipe that nobody reads is refused, not waited for.
  fd_ = renames_ ? open_neighbour() : ::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ >= 0 && !renames_) ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) & ~O_NONBLOCK);
  if (fd_ < 0) throw Error(Code::kIo, "{}: cannot be written: {}", path, std::strerror(errno));
}

// Without a name where the file system can do that: then a killed process leaves nothing behind.
int AtomicFile::open_neighbour() {
#ifdef O_TMPFILE
  std::string folder = std::filesystem::path(path_).parent_path().string();
  if (folder.empty()) folder = ".";
  if (::access("/proc/self/fd", X_OK) == 0) {  // needed to give it a name in the end
    const int nameless = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
    if (nameless >= 0) return nameless;
  }
#endif
  neighbour_ = beside(path_) + "XXXXXX";
  const int fd = ::mkostemp(neighbour_.data(), O_CLOEXEC);  // a name that nobody has, made for us alone
  if (fd >= 0) ::fchmod(fd, 0644);
  return fd;
}

// A name for what had none, since rename() is what replaces a file in one step, and link() is not.
bool AtomicFile::name_neighbour() {
  const std::string open_file = "/proc/self/fd/" + std::to_string(fd_);
  for (int i = 0; i < 100; ++i) {
    neighbour_ = beside(path_) + std::to_string(::getpid()) + "-" + std::to_string(i);
    if (::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, neighbour_.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
    if (errno != EEXIST) break;
  }
  neighbour_.clear();
  return false;
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!neighbour_.empty()) ::unlink(neighbour_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(Code::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
    bytes = bytes.subspan(static_cast<size_t>(n));
    unsent_ += static_cast<size_t>(n);
  }
  if (unsent_ >= kSendBytes) send();
}

// The disk begins now, beside whoever makes the rest, and commit() waits less.
void AtomicFile::send() noexcept {
#ifdef __linux__
  if (renames_) ::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
  unsent_ = 0;
}

void AtomicFile::commit() {
  if (renames_ && (::fsync(fd_) != 0 || (neighbour_.empty() && !name_neighbour()) ||
                   ::rename(neighbour_.c_str(), path_.c_str()) != 0))
    throw Error(Code::kIo, "{}: cannot be written: {}", path_, std::strerror(errno));
  ::close(fd_);
  fd_ = -1;
}

AtomicFolder::AtomicFolder(const std::string& path) : path_(path) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  neighbour_ = beside(path_) + std::to_string(::getpid());
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
