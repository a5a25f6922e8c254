// Writes a file whole or not at all: into a neighbour that takes its place when everything is on disk. A link is
// followed; what is no file (a pipe, /dev/null) is written to as it is.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace rwkv {

class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);  // Error{kIo}
  ~AtomicFile();                                 // removes the neighbour unless committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);  // Error{kIo}: "...: cannot be written: No space left"
  void commit();                                 // flush to disk, rename

 private:
  int open_neighbour();
  bool name_neighbour();
  void send() noexcept;

  static constexpr size_t kSendBytes = size_t{32} << 20;
  std::string path_, neighbour_;  // neighbour_: "" while it has no name
  int fd_ = -1;
  bool renames_ = true;
  size_t unsent_ = 0;
};

// The same for a folder of files: filled under another name beside it, then renamed.
class AtomicFolder {
 public:
  // Error{kIo} when `path` exists (an empty folder may), or cannot be made.
  explicit AtomicFolder(const std::string& path);
  ~AtomicFolder();  // removes all unless committed
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::string& path() const { return neighbour_; }  // put the files here
  void commit();

 private:
  std::string path_, neighbour_;
  bool committed_ = false;
};

}  // namespace rwkv
