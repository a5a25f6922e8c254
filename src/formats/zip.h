// A reader of zip files whose entries are stored, as PyTorch writes them: names and bytes in the
// map, nothing is extracted. A file that two readers could understand differently is refused.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rwkv {

struct ZipEntry {
  std::string_view name;             // relative, no "..", not empty; points into the file
  std::span<const std::byte> bytes;  // the content
};

class Zip {
 public:
  // `file` must outlive the Zip. Error{kFormat} when central directory, local headers and end
  // records do not agree; Error{kUnsupported} for compressed or encrypted entries and archives in
  // parts.
  static Zip parse(std::span<const std::byte> file, const std::string& source);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in the directory's order
  const ZipEntry* find(std::string_view name) const;                 // null when absent

 private:
  friend class ZipParser;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, size_t> index_;
};

}  // namespace rwkv
