// Little-endian numbers and texts, appended to a buffer: headers are built in memory before they
// are written.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rwkv {

static_assert(std::endian::native == std::endian::little);

class ByteWriter {
 public:
  template <typename T>
  void number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view text) { bytes_ += text; }
  void pad(size_t multiple) { bytes_.resize((bytes_.size() + multiple - 1) / multiple * multiple); }

  size_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(bytes_)); }

 private:
  std::string bytes_;
};

}  // namespace rwkv
