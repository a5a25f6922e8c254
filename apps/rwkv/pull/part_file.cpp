#include "part_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "failure.h"
#include "sha256.h"

namespace command {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail_to_write(const fs::path& path, int error) {
  if (error == ENOSPC || error == EDQUOT)
    throw Failure(
        path.string() +
        ": the disk is full. What is there stays; make room and give the same command again");
  if (error == EFBIG)
    throw Failure(
        path.string() +
        ": larger than files may be here (ulimit -f, or the file system). What is there stays");
  throw Failure(path.string() + ": cannot be written: " + std::strerror(error));
}

fs::path with_ending(const fs::path& target, const char* ending) {
  fs::path out = target;
  out += ending;
  return out;
}

// Changes when the machine starts: after a crash, bytes that were said to be there may not be.
std::string boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

}  // namespace

FileLock::~FileLock() {
  if (fd_ < 0) return;
  ::unlink(path_.c_str());  // while it is held: try_take() of others sees that the file is gone
  ::close(fd_);
}

bool FileLock::try_take() {
  for (;;) {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) fail_to_write(path_, errno);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd);
      return false;
    }
    struct stat held{}, named{};
    if (::fstat(fd, &held) == 0 && ::stat(path_.c_str(), &named) == 0 &&
        held.st_ino == named.st_ino) {
      fd_ = fd;
      return true;
    }
    ::close(fd);  // its holder removed it between our two calls
  }
}

fs::path part_path(const fs::path& target) { return with_ending(target, ".part"); }
fs::path part_state_path(const fs::path& target) { return with_ending(target, ".part.json"); }

PartFile::PartFile(fs::path target)
    : target_(std::move(target)), part_(part_path(target_)), state_(part_state_path(target_)) {}

PartFile::~PartFile() {
  if (fd_ >= 0) ::close(fd_);
}

bool PartFile::read_state(const ContentId& id) {
  std::ifstream in(state_);
  if (!in) return false;
  const auto json = nlohmann::json::parse(in, nullptr, false);
  if (!json.is_object() || id.size < 0 || id.etag.empty()) return false;
  try {
    if (json.at("etag") != id.etag || json.at("size") != id.size || json.at("sha256") != id.sha256)
      return false;
    // Where no hash will be compared at the end, a crash of the machine must not go unseen.
    if (id.sha256.empty() && json.at("boot") != boot_id()) return false;
    for (const auto& range : json.at("done")) {
      const Range r{range.at(0).get<uint64_t>(), range.at(1).get<uint64_t>()};
      if (r.end > static_cast<uint64_t>(id.size)) throw Failure("");
      ranges_.add(r);
    }
  } catch (const std::exception&) {
    ranges_ = {};
    return false;
  }
  return true;
}

Resume PartFile::open(const ContentId& id) {
  id_ = id;
  const bool was_there = fs::exists(part_) && fs::exists(state_);
  bool continues = was_there && read_state(id);
  fd_ = ::open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_to_write(part_, errno);
  if (continues && !ranges_.ranges().empty() && size_on_disk() < ranges_.ranges().back().end)
    continues = false;
  if (continues) return Resume::kContinues;
  start_over();
  return was_there ? Resume::kChanged : Resume::kFresh;
}

void PartFile::start_over() {
  ranges_ = {};
  if (::ftruncate(fd_, 0) != 0) fail_to_write(part_, errno);
  save();
}

void PartFile::write(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_to_write(part_, errno);
    const auto written = static_cast<uint64_t>(n);
    ranges_.add({offset, offset + written});
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
}

void PartFile::save() {
  auto done = nlohmann::json::array();
  for (const Range& r : ranges_.ranges()) done.push_back({r.begin, r.end});
  const nlohmann::json json = {{"address", id_.address}, {"etag", id_.etag},
                               {"sha256", id_.sha256},   {"size", id_.size},
                               {"boot", boot_id()},      {"done", done}};
  write_whole(state_, json.dump() + "\n");
}

std::string PartFile::sha256(uint64_t size, bool (*stop)()) const {
  Sha256 hash;
  std::string buffer(size_t{1} << 20, '\0');
  for (uint64_t at = 0; at < size;) {
    if (stop()) return {};
    const ssize_t n = ::pread(fd_, buffer.data(), std::min<uint64_t>(buffer.size(), size - at),
                              static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw Failure(part_.string() + ": cannot be read back");
    hash.update({buffer.data(), static_cast<size_t>(n)});
    at += static_cast<uint64_t>(n);
  }
  return hash.hex();
}

void PartFile::finish(uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0 || ::fsync(fd_) != 0)
    fail_to_write(part_, errno);
  fs::rename(part_, target_);
  std::error_code ignored;
  fs::remove(state_, ignored);
}

void PartFile::discard() {
  std::error_code ignored;
  fs::remove(part_, ignored);
  fs::remove(state_, ignored);
}

uint64_t PartFile::size_on_disk() const {
  struct stat s{};
  return ::fstat(fd_, &s) == 0 ? static_cast<uint64_t>(s.st_size) : 0;
}

void write_whole(const fs::path& path, std::string_view text) {
  const fs::path next = with_ending(path, ".new");
  const int fd = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail_to_write(path, errno);
  const ssize_t n = ::write(fd, text.data(), text.size());
  const int error = n < 0 ? errno : ENOSPC;
  ::close(fd);
  if (n != static_cast<ssize_t>(text.size()) || ::rename(next.c_str(), path.c_str()) != 0) {
    ::unlink(next.c_str());
    fail_to_write(path, error);
  }
}

void check_space(const fs::path& folder, uint64_t needed, const std::string& what) {
  struct statvfs s{};
  if (::statvfs(folder.c_str(), &s) != 0) return;  // the write itself will tell
  const uint64_t free = uint64_t{s.f_bavail} * s.f_frsize;
  if (needed > free)
    throw Failure(what + ": " + size_text(needed) + " are still needed in " + folder.string() +
                  ", where " + size_text(free) + " are free");
}

std::string size_text(uint64_t bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 999.95 && unit < 4; ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text;
}

}  // namespace command
