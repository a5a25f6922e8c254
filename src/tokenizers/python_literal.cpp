#include "tokenizers/python_literal.h"

#include <cstdint>

#include "base/error.h"
#include "base/utf8.h"

namespace rwkv {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes `n_digit` hex digits off `rest`.
uint32_t take_hex(std::string_view& rest, size_t n_digit, char letter, const Place& where) {
  uint32_t value = 0;
  for (size_t i = 0; i < n_digit; ++i) {
    const int digit = i < rest.size() ? hex_value(rest[i]) : -1;
    if (digit < 0)
      throw Error(Code::kFormat, "{}: \\{} must be followed by {} hex digits", where.text(), letter,
                  n_digit);
    value = value << 4 | static_cast<uint32_t>(digit);
  }
  rest.remove_prefix(n_digit);
  return value;
}

// The character after a backslash that needs nothing more, or -1.
int simple_escape(char c) noexcept {
  switch (c) {
    case '\\': case '\'': case '"': return c;
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return -1;
  }
}

void append_point(std::string& out, uint32_t point, const Place& where) {
  if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
    throw Error(Code::kFormat, "{}: an escape names {}, which is no Unicode character", where.text(),
                point);
  append_utf8(out, point);
}

// One escape; `rest` begins behind the backslash.
void take_escape(std::string_view& rest, bool is_bytes, std::string& out,
                 const Place& where) {
  if (rest.empty()) throw Error(Code::kFormat, "{}: the literal ends in a backslash", where.text());
  const char letter = rest.front();
  rest.remove_prefix(1);
  if (const int c = simple_escape(letter); c >= 0) {
    out += static_cast<char>(c);
  } else if (letter == 'x') {
    const uint32_t value = take_hex(rest, 2, letter, where);
    if (is_bytes) out += static_cast<char>(value);
    else append_utf8(out, value);
  } else if (letter == 'u' && !is_bytes) {
    append_point(out, take_hex(rest, 4, letter, where), where);
  } else if (letter == 'U' && !is_bytes) {
    append_point(out, take_hex(rest, 8, letter, where), where);
  } else if (letter >= '0' && letter <= '7') {
    throw Error(Code::kFormat, "{}: octal escapes are not taken, use \\x", where.text());
  } else {
    throw Error(Code::kFormat, "{}: unknown escape in a {} literal", where.text(),
                is_bytes ? "bytes" : "text");
  }
}

}  // namespace

std::string parse_python_literal(std::string_view literal, const Place& where) {
  const bool is_bytes = !literal.empty() && literal.front() == 'b';
  std::string_view rest = literal.substr(is_bytes ? 1 : 0);
  if (rest.size() < 2 || (rest.front() != '\'' && rest.front() != '"') ||
      rest.back() != rest.front())
    throw Error(Code::kFormat, "{}: expected a Python literal in quotes", where.text());
  const char quote = rest.front();
  rest = rest.substr(1, rest.size() - 2);
  std::string out;
  while (!rest.empty()) {
    const char c = rest.front();
    if (c == quote) throw Error(Code::kFormat, "{}: a quote inside the literal", where.text());
    if (c == '\\') {
      rest.remove_prefix(1);
      take_escape(rest, is_bytes, out, where);
      continue;
    }
    const Utf8Char next = next_utf8(rest);
    if (next.point == kInvalidPoint)
      throw Error(Code::kFormat, "{}: the literal is not UTF-8", where.text());
    if (is_bytes && next.point >= 0x80)
      throw Error(Code::kFormat, "{}: a bytes literal holds a character that is not ASCII", where.text());
    out += rest.substr(0, next.size);
    rest.remove_prefix(next.size);
  }
  return out;
}

std::string unescape_gguf(std::string_view body, const Place& where) {
  std::string out;
  while (!body.empty()) {
    const char c = body.front();
    body.remove_prefix(1);
    if (c != '\\') {
      out += c;
      continue;
    }
    if (body.empty()) throw Error(Code::kFormat, "{}: the text ends in a backslash", where.text());
    const char letter = body.front();
    body.remove_prefix(1);
    if (letter == 'x') out += static_cast<char>(take_hex(body, 2, letter, where));
    else if (letter == 't' || letter == 'n' || letter == 'r')
      out += static_cast<char>(simple_escape(letter));
    else out += letter;
  }
  return out;
}

}  // namespace rwkv
