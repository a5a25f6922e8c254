// UTF-8: checking, decoding, writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rwkv {

struct Utf8Char {
  uint32_t point;  // the code point; kInvalidPoint when the bytes are ill-formed
  size_t size;     // bytes used: the character, or the maximal ill-formed subpart (at least 1)
  bool cut;        // ill-formed only because the text ends inside the character
};
inline constexpr uint32_t kInvalidPoint = 0xffffffff;

// The first character of `text` (not empty), by Unicode 15 table 3-7.
Utf8Char next_utf8(std::string_view text) noexcept;
bool is_valid_utf8(std::string_view text) noexcept;
void append_utf8(std::string& out, uint32_t point);
// `text` with each ill-formed subpart replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace rwkv
