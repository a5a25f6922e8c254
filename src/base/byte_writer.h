// Little-endian numbers and texts, appended to a buffer: headers are built in memory before they
// are written.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace rwkv {

static_assert(std::endian::native == std::endian::little);

class ByteWriter {
 public:
  template <typename T>
  void number(T value) {
    const auto at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  void text(std::string_view text) {
    const auto part = std::as_bytes(std::span(text.data(), text.size()));
    bytes_.insert(bytes_.end(), part.begin(), part.end());
  }
  void pad(size_t multiple) { bytes_.resize((bytes_.size() + multiple - 1) / multiple * multiple); }

  size_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace rwkv
