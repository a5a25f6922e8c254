// A file mapped read-only, or a buffer that stands in for one (tests, memory models).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rwkv {

// Gives whole pages inside `part` back to the system. A file's pages are read again when touched; memory of
// other kinds is zero then.
void discard_pages(std::span<const std::byte> part) noexcept;

class MappedFile {
 public:
  // Error{kIo} when it cannot be opened, or is not a regular file; Error{kFormat} when it is empty.
  static std::shared_ptr<MappedFile> open(const std::string& path);
  static std::shared_ptr<MappedFile> from_bytes(std::string path, std::vector<std::byte> bytes);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  // Gives whole pages inside `part` back to the system; they are read again when touched.
  void drop(std::span<const std::byte> part) const noexcept;

 private:
  MappedFile() = default;
  std::string path_;
  std::span<const std::byte> bytes_;
  std::vector<std::byte> owned_;  // from_bytes only
};

}  // namespace rwkv
