// A cursor over mapped bytes that never reads past the end: the door of every binary format.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace rwkv {

inline bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, const std::string& source)
      : bytes_(bytes), source_(source) {}

  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  // The next n bytes. `what` names them: "model.gguf: byte 24: expected tensor count (8 bytes), found ...".
  std::span<const std::byte> take(size_t n, std::string_view what) {
    if (n > left())
      throw Error(Code::kFormat, "{}: byte {}: expected {} ({} bytes), found the file's end {} bytes on",
                  source_, at_, what, n, left());
    at_ += n;
    return bytes_.subspan(at_ - n, n);
  }
  // A little-endian number.
  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }
  std::string_view text(size_t n, std::string_view what) {
    const auto part = take(n, what);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& source_;
  size_t at_ = 0;
};

}  // namespace rwkv
