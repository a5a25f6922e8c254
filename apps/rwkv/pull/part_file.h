// A file on its way: FILE.part holds the bytes, FILE.part.json which of them are there, and
// FILE.lock is held by the one process that writes. The name FILE appears when all is right.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "ranges.h"

namespace command {

// A lock file: held until the object goes. Two processes cannot hold the same one.
class FileLock {
 public:
  explicit FileLock(std::filesystem::path path) : path_(std::move(path)) {}
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  bool try_take();  // false while another process holds it
 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

// What tells one content from another: the server's word.
struct ContentId {
  std::string address{}, etag{}, sha256{};  // empty where the server says nothing
  int64_t size = -1;                        // -1: unknown
};

enum class Resume {
  kFresh,      // nothing was there
  kContinues,  // the ranges() are there already
  kChanged,    // there was a part of another content; it is gone
};

class PartFile {
 public:
  explicit PartFile(std::filesystem::path target);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  // Opens or makes the part. Without a size or an etag nothing can be continued.
  Resume open(const ContentId& id);
  const RangeSet& ranges() const { return ranges_; }
  // Failure when the disk is full; what was written before stays and counts.
  void write(uint64_t offset, std::string_view bytes);
  void save();        // FILE.part.json, so that a killed process can go on
  void start_over();  // forgets all bytes
  std::string sha256(uint64_t size, bool (*stop)()) const;  // empty: stopped
  void finish(uint64_t size);                               // fsync, then FILE.part becomes FILE
  void discard();                                           // removes both
  uint64_t size_on_disk() const;

 private:
  bool read_state(const ContentId& id);

  std::filesystem::path target_, part_, state_;
  ContentId id_;
  RangeSet ranges_;
  int fd_ = -1;
};

std::filesystem::path part_path(const std::filesystem::path& target);
std::filesystem::path part_state_path(const std::filesystem::path& target);

// Writes a small file so that it is there whole or not at all.
void write_whole(const std::filesystem::path& path, std::string_view text);

// Failure unless `needed` bytes are free where `folder` lies.
void check_space(const std::filesystem::path& folder, uint64_t needed, const std::string& what);

std::string size_text(uint64_t bytes);  // "901.8 MB"

}  // namespace command
