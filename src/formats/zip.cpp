// The end record leads to the central directory, that to the local headers. All three repeat each
// other, and each repetition is compared. Offsets count from the file's start (no self-extracting
// prefix).
#include "formats/zip.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "formats/zip_layout.h"

namespace rwkv {
namespace {

constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56;
constexpr size_t kLocatorBytes = 20, kMaxComment = 65535;

}  // namespace

class ZipParser {
 public:
  ZipParser(std::span<const std::byte> file, const std::string& source)
      : file_(file), source_(source) {}

  Zip parse() {
    find_end();
    read_directory();
    check_overlap();
    return std::move(out_);
  }

 private:
  struct Central {
    std::string_view name;
    uint64_t packed, size, offset;
    uint32_t crc;
    uint16_t flags;
  };
  struct Range {
    uint64_t begin, end;
    size_t entry;
  };

  template <typename... Args>
  [[noreturn]] void fail(std::string_view text, const Args&... args) const {
    throw Error(Code::kFormat, "{}: zip: {}", source_, strf(text, args...));
  }
  template <typename T>
  T number(size_t at) const {
    T value;
    if (at > file_.size() || sizeof value > file_.size() - at)
      fail("byte {} lies past the file's end", at);
    std::memcpy(&value, file_.data() + at, sizeof value);
    return value;
  }
  bool has_magic(size_t at, uint32_t magic) const {
    return at + sizeof magic <= file_.size() && number<uint32_t>(at) == magic;
  }
  std::string_view text(size_t at, size_t size) const {
    return {reinterpret_cast<const char*>(file_.data() + at), size};
  }
  static std::string shown(std::string_view name) {
    return json_quote(replace_invalid_utf8(name.substr(0, 200)));
  }

  // The end record must be the file's last 22 bytes. PyTorch writes no comment, and a comment is
  // where a second end record could hide.
  void find_end() {
    if (file_.size() < kEndBytes || !has_magic(file_.size() - kEndBytes, kZipEndMagic))
      fail("expected the end record in the last {} bytes (a cut file, or a comment after it)",
           kEndBytes);
    const size_t end = file_.size() - kEndBytes;
    if (number<uint16_t>(end + 20) != 0)
      fail("the end record announces a comment, found the file's end");
    const size_t first = end > kMaxComment ? end - kMaxComment : 0;
    for (size_t at = end; at-- > first;)
      if (static_cast<char>(file_[at]) == 'P' && has_magic(at, kZipEndMagic) &&
          number<uint16_t>(at + 20) == file_.size() - at - kEndBytes)
        fail("two end records (bytes {} and {})", at, end);

    const auto n_here = number<uint16_t>(end + 8), n_all = number<uint16_t>(end + 10);
    const auto bytes = number<uint32_t>(end + 12), offset = number<uint32_t>(end + 16);
    if (number<uint16_t>(end + 4) != 0 || number<uint16_t>(end + 6) != 0 || n_here != n_all)
      throw Error(Code::kUnsupported, "{}: zip: an archive in parts, expected one file", source_);
    n_entry_ = n_all, directory_bytes_ = bytes, directory_ = offset;
    directory_end_ = end;
    if (end >= kLocatorBytes && has_magic(end - kLocatorBytes, kZipLocatorMagic))
      find_end64(end - kLocatorBytes, n_all, bytes, offset);
    else if (n_all == kZipIn64Short || bytes == kZipIn64 || offset == kZipIn64)
      fail("the end record points to a ZIP64 record, found none");
    if (directory_ > directory_end_ || directory_bytes_ != directory_end_ - directory_)
      fail(
          "the end record puts the directory at byte {} with {} bytes, expected it to end at byte "
          "{}",
          directory_, directory_bytes_, directory_end_);
    if (n_entry_ > directory_bytes_ / kCentralBytes)
      fail("{} entries do not fit into a directory of {} bytes", n_entry_, directory_bytes_);
  }

  void find_end64(size_t locator, uint16_t n_entry, uint32_t bytes, uint32_t offset) {
    const auto end64 = number<uint64_t>(locator + 8);
    if (end64 > locator || locator - end64 != kEnd64Bytes || !has_magic(end64, kZipEnd64Magic) ||
        number<uint64_t>(end64 + 4) != kEnd64Bytes - 12)
      fail("expected the ZIP64 end record of {} bytes before its locator at byte {}", kEnd64Bytes,
           locator);
    const auto n_here = number<uint64_t>(end64 + 24);
    n_entry_ = number<uint64_t>(end64 + 32);
    directory_bytes_ = number<uint64_t>(end64 + 40);
    directory_ = number<uint64_t>(end64 + 48);
    directory_end_ = end64;
    if (number<uint32_t>(locator + 4) != 0 || number<uint32_t>(locator + 16) > 1 ||
        n_here != n_entry_ || number<uint32_t>(end64 + 16) != 0 ||
        number<uint32_t>(end64 + 20) != 0)
      throw Error(Code::kUnsupported, "{}: zip: an archive in parts, expected one file", source_);
    if ((n_entry != kZipIn64Short && n_entry != n_entry_) ||
        (bytes != kZipIn64 && bytes != directory_bytes_) || (offset != kZipIn64 && offset != directory_))
      fail("the end record and the ZIP64 end record disagree");
  }

  void read_directory() {
    size_t at = directory_;
    for (uint64_t i = 0; i < n_entry_; ++i) {
      if (directory_end_ - at < kCentralBytes || !has_magic(at, kZipCentralMagic))
        fail("byte {}: expected entry {} of {} in the directory", at, i + 1, n_entry_);
      const size_t n_name = number<uint16_t>(at + 28), n_extra = number<uint16_t>(at + 30);
      const size_t n_all = kCentralBytes + n_name + n_extra + number<uint16_t>(at + 32);
      if (n_all > directory_end_ - at) fail("byte {}: the directory's entry runs past its end", at);
      add(central(at, n_name, n_extra));
      at += n_all;
    }
    if (at != directory_end_)
      fail("byte {}: expected the directory's end after {} entries", at, n_entry_);
  }

  Central central(size_t at, size_t n_name, size_t n_extra) const {
    Central entry;
    entry.name = text(at + kCentralBytes, n_name);
    check_name(entry.name);
    entry.flags = number<uint16_t>(at + 8);
    const auto method = number<uint16_t>(at + 10);
    if (entry.flags & (kZipEncrypted | kZipStrongEncryption))
      throw Error(Code::kUnsupported, "{}: zip: entry {} is encrypted", source_, shown(entry.name));
    if (method != 0)
      throw Error(
          Code::kUnsupported,
          "{}: zip: entry {} is compressed (method {}), expected stored bytes as torch.save "
          "writes them",
          source_, shown(entry.name), method);
    entry.crc = number<uint32_t>(at + 16);
    entry.packed = number<uint32_t>(at + 20);
    entry.size = number<uint32_t>(at + 24);
    entry.offset = number<uint32_t>(at + 42);
    widen(entry, at + kCentralBytes + n_name, n_extra);
    if (number<uint16_t>(at + 34) != 0)
      throw Error(Code::kUnsupported, "{}: zip: an archive in parts, expected one file", source_);
    if (entry.packed != entry.size)
      fail("entry {}: {} stored bytes for a content of {}", shown(entry.name), entry.packed,
           entry.size);
    return entry;
  }

  // Nothing is ever written under these names; one that climbs is a sign of a file made to harm.
  void check_name(std::string_view name) const {
    bool good = !name.empty() && name[0] != '/' && name.find('\\') == name.npos &&
                name.find('\0') == name.npos && name.find(':') != 1;
    for (size_t at = 0; good && at <= name.size();) {
      const size_t end = std::min(name.find('/', at), name.size());
      good = name.substr(at, end - at) != "..";
      at = end + 1;
    }
    if (!good) fail("entry {}: expected a relative name without \"..\"", shown(name));
  }

  // ZIP64: the field holds, in this order, only the values that are 0xffffffff in the entry itself.
  void widen(Central& entry, size_t at, size_t n_extra) const {
    const size_t end = at + n_extra;
    bool found = false;
    // miniz pads with fewer bytes than a field header; they carry nothing.
    while (end - at >= 4) {
      const auto id = number<uint16_t>(at);
      const size_t size = number<uint16_t>(at + 2);
      if (size > end - at - 4)
        fail("entry {}: its extra field runs past its end", shown(entry.name));
      if (id == kZip64Field) {
        if (found) fail("entry {}: two ZIP64 fields", shown(entry.name));
        found = true;
        size_t value = at + 4;
        for (uint64_t* wide : {&entry.size, &entry.packed, &entry.offset}) {
          if (*wide != kZipIn64) continue;
          if (at + 4 + size - value < 8)
            fail("entry {}: its ZIP64 field is too short", shown(entry.name));
          *wide = number<uint64_t>(value);
          value += 8;
        }
      }
      at += 4 + size;
    }
    if (!found && (entry.size == kZipIn64 || entry.packed == kZipIn64 || entry.offset == kZipIn64))
      fail("entry {}: its size or place is in a ZIP64 field, found none", shown(entry.name));
  }

  void add(const Central& entry) {
    const uint64_t at = entry.offset;
    if (at > directory_ || directory_ - at < kLocalBytes || !has_magic(at, kZipLocalMagic))
      fail("entry {}: expected its local header at byte {}", shown(entry.name), at);
    const size_t n_name = number<uint16_t>(at + 26), n_extra = number<uint16_t>(at + 28);
    if (kLocalBytes + n_name + n_extra > directory_ - at)
      fail("entry {}: its local header runs into the directory", shown(entry.name));
    const uint64_t begin = at + kLocalBytes + n_name + n_extra;
    if (text(at + kLocalBytes, n_name) != entry.name || number<uint16_t>(at + 6) != entry.flags ||
        number<uint16_t>(at + 8) != 0)
      fail("entry {}: its local header differs from the directory", shown(entry.name));
    if (entry.size > directory_ - begin)
      fail("entry {}: {} bytes at byte {} run past the entries' end at byte {}", shown(entry.name),
           entry.size, begin, directory_);
    uint64_t end = begin + entry.size;
    check_local_sizes(entry, at, n_name, n_extra);
    if (entry.flags & kZipHasDescriptor) end += descriptor_bytes(entry, end);
    ranges_.push_back({at, end, out_.entries_.size()});
    if (!out_.index_.emplace(entry.name, out_.entries_.size()).second)
      fail("entry {} stands in the directory twice", shown(entry.name));
    out_.entries_.push_back({entry.name, file_.subspan(begin, entry.size)});
  }

  void check_local_sizes(const Central& entry, size_t at, size_t n_name, size_t n_extra) const {
    Central local = entry;
    local.packed = number<uint32_t>(at + 18);
    local.size = number<uint32_t>(at + 22);
    local.offset = 0;
    const auto crc = number<uint32_t>(at + 14);
    // With a descriptor behind the content, the header may leave all three open.
    if ((entry.flags & kZipHasDescriptor) && crc == 0 && (local.size == 0 || local.size == kZipIn64) &&
        local.packed == local.size)
      return;
    widen(local, at + kLocalBytes + n_name, n_extra);
    if (local.packed != entry.packed || local.size != entry.size || crc != entry.crc)
      fail("entry {}: its local header has other sizes or another checksum than the directory",
           shown(entry.name));
  }

  // After the content: [magic] checksum, size, size; the sizes of 4 bytes, or 8 under ZIP64.
  size_t descriptor_bytes(const Central& entry, uint64_t at) const {
    const uint64_t left = directory_ - at;
    for (const bool magic : {true, false}) {
      const size_t head = magic ? 8 : 4;
      if (magic && (left < 4 || !has_magic(at, kZipDescriptorMagic))) continue;
      if (left < head + 8 || number<uint32_t>(at + head - 4) != entry.crc) continue;
      if (left >= head + 16 && number<uint64_t>(at + head) == entry.packed &&
          number<uint64_t>(at + head + 8) == entry.size)
        return head + 16;
      if (number<uint32_t>(at + head) == entry.packed &&
          number<uint32_t>(at + head + 4) == entry.size)
        return head + 8;
    }
    fail("entry {}: the descriptor after its content differs from the directory",
         shown(entry.name));
  }

  void check_overlap() {
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    for (size_t i = 1; i < ranges_.size(); ++i)
      if (ranges_[i].begin < ranges_[i - 1].end)
        fail("entries {} and {} overlap", shown(out_.entries_[ranges_[i - 1].entry].name),
             shown(out_.entries_[ranges_[i].entry].name));
  }

  std::span<const std::byte> file_;
  const std::string& source_;
  uint64_t n_entry_ = 0, directory_ = 0, directory_bytes_ = 0, directory_end_ = 0;
  std::vector<Range> ranges_;
  Zip out_;
};

Zip Zip::parse(std::span<const std::byte> file, const std::string& source) {
  return ZipParser(file, source).parse();
}

const ZipEntry* Zip::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

}  // namespace rwkv
