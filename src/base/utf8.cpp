#include "base/utf8.h"

namespace rwkv {

Utf8Char next_utf8(std::string_view text) noexcept {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1, false};
  if (lead < 0xc2 || lead > 0xf4) return {kInvalidPoint, 1, false};
  const size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The second byte's range shuts out overlong forms, surrogates and values above U+10FFFF.
  unsigned low = 0x80, high = 0xbf;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  uint32_t point = lead & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i, low = 0x80, high = 0xbf) {
    if (i == text.size()) return {kInvalidPoint, i, true};
    if (byte(i) < low || byte(i) > high) return {kInvalidPoint, i, false};
    point = point << 6 | (byte(i) & 0x3fu);
  }
  return {point, size, false};
}

bool is_valid_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const Utf8Char c = next_utf8(text);
    if (c.point == kInvalidPoint) return false;
    text.remove_prefix(c.size);
  }
  return true;
}

void append_utf8(std::string& out, uint32_t point) {
  const auto put = [&](uint32_t value) { out += static_cast<char>(value); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6);
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3f));
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Char c = next_utf8(text);
    if (c.point == kInvalidPoint) append_utf8(out, 0xfffd);
    else out += text.substr(0, c.size);
    text.remove_prefix(c.size);
  }
  return out;
}

}  // namespace rwkv
