#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace rwkv {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

std::shared_ptr<MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: a FIFO without a writer must be an error, not a wait.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) throw Error(Code::kIo, "{}: cannot be opened: {}", path, std::strerror(errno));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0)
    throw Error(Code::kIo, "{}: cannot be examined: {}", path, std::strerror(errno));
  if (!S_ISREG(status.st_mode))
    throw Error(Code::kIo, "{}: expected a regular file, found {}", path,
                S_ISDIR(status.st_mode) ? "a folder" : "a device, pipe or socket");
  if (status.st_size == 0) throw Error(Code::kFormat, "{}: the file is empty", path);
  const auto size = static_cast<size_t>(status.st_size);
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (at == MAP_FAILED) throw Error(Code::kIo, "{}: cannot be mapped: {}", path, std::strerror(errno));
  std::shared_ptr<MappedFile> map(new MappedFile);
  map->path_ = path;
  map->bytes_ = {static_cast<const std::byte*>(at), size};
  return map;
}

std::shared_ptr<MappedFile> MappedFile::from_bytes(std::string path, std::vector<std::byte> bytes) {
  std::shared_ptr<MappedFile> map(new MappedFile);
  map->path_ = std::move(path);
  map->owned_ = std::move(bytes);
  map->bytes_ = map->owned_;
  return map;
}

MappedFile::~MappedFile() {
  if (owned_.empty() && !bytes_.empty())
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::drop(std::span<const std::byte> part) const noexcept {
  if (owned_.empty()) discard_pages(part);
}

void discard_pages(std::span<const std::byte> part) noexcept {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(part.data()) + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace rwkv
