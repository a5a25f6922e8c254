// Hand-written forms of two regular expressions, alternatives tried in their order:
//
//   GPT-2   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   Qwen2   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}
//           | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// All of them only look ahead, over one run of one class, so a text costs time linear in its size.
#include "tokenizers/pre_tokenizer.h"

#include "base/utf8.h"
#include "tokenizers/unicode.h"

namespace rwkv {
namespace {

struct Char {
  CharClass char_class;
  uint32_t point;
  size_t size;
};

// The character at `at`, which is inside the text.
Char char_at(std::string_view text, size_t at) noexcept {
  const Utf8Char c = next_utf8(text.substr(at));
  return {char_class(c.point), c.point, c.size};
}

// Where the run of `wanted` that begins at `at` ends.
size_t end_of_run(std::string_view text, size_t at, CharClass wanted) noexcept {
  while (at < text.size()) {
    const Char c = char_at(text, at);
    if (c.char_class != wanted) break;
    at += c.size;
  }
  return at;
}

bool is_line_end(uint32_t point) noexcept { return point == '\r' || point == '\n'; }

// The size of 's, 't, 're, 've, 'm, 'll or 'd at the front of `text`, or 0.
size_t contraction(std::string_view text, bool any_case) noexcept {
  if (text.size() < 2 || text[0] != '\'') return 0;
  // U+017F, the long s, is the one character beyond ASCII that equals one of these letters when
  // case is ignored.
  if (any_case && text.substr(1, 2) == "\xc5\xbf") return 3;
  const auto lower = [&](size_t i) -> char {
    if (i >= text.size()) return '\0';
    return any_case && text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] | 0x20)
                                                        : text[i];
  };
  const char a = lower(1), b = lower(2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

// \s+(?!\S)|\s+ : a run of space leaves its last character to a word that follows.
size_t space_piece(std::string_view text) noexcept {
  size_t at = 0, last = 0;
  while (at < text.size()) {
    const Char c = char_at(text, at);
    if (c.char_class != CharClass::kSpace) break;
    last = at;
    at += c.size;
  }
  return at < text.size() && last > 0 ? last : at;
}

size_t gpt2_piece(std::string_view text) noexcept {
  if (const size_t size = contraction(text, false)) return size;
  const size_t lead = text[0] == ' ' && text.size() > 1 ? 1 : 0;
  const CharClass next = char_at(text, lead).char_class;
  return next == CharClass::kSpace ? space_piece(text) : end_of_run(text, lead, next);
}

// \s*[\r\n]+ : the run of space up to its last line end, or 0.
size_t line_end_piece(std::string_view text) noexcept {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const Char c = char_at(text, at);
    if (c.char_class != CharClass::kSpace) break;
    at += c.size;
    if (is_line_end(c.point)) end = at;
  }
  return end;
}

size_t qwen2_piece(std::string_view text) noexcept {
  if (const size_t size = contraction(text, true)) return size;
  const Char first = char_at(text, 0);
  if (first.char_class == CharClass::kLetter) return end_of_run(text, 0, CharClass::kLetter);
  if (first.char_class == CharClass::kNumber) return first.size;
  if (!is_line_end(first.point)) {
    const size_t end = end_of_run(text, first.size, CharClass::kLetter);
    if (end > first.size) return end;
  }
  const size_t lead = text[0] == ' ' ? 1 : 0;
  size_t end = end_of_run(text, lead, CharClass::kOther);
  if (end > lead) {
    while (end < text.size() && is_line_end(static_cast<unsigned char>(text[end]))) ++end;
    return end;
  }
  if (const size_t size = line_end_piece(text)) return size;
  return space_piece(text);
}

}  // namespace

size_t first_piece(SplitRule rule, std::string_view text) noexcept {
  return rule == SplitRule::kGpt2 ? gpt2_piece(text) : qwen2_piece(text);
}

}  // namespace rwkv
