// The two spellings of a World token: a Python literal (vocabulary file) and the body of one
// (GGUF).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rwkv {

// Where a token stands, put into words only when there is something to say: "vocab.txt: line 17".
struct Place {
  std::string_view source, unit;
  size_t number;

  std::string text() const {
    return std::string(source) + ": " + std::string(unit) + ' ' + std::to_string(number);
  }
};

// The bytes of a Python literal, 'text' or b'bytes', in single or double quotes. In text, \xNN,
// \uNNNN and \UNNNNNNNN are code points and the result is their UTF-8; in bytes, \xNN is a byte.
// Octal and named escapes, prefixes other than b and anything Python would not write are
// Error{kFormat} that begins with `where`.
std::string parse_python_literal(std::string_view literal, const Place& where);

// tokenizer.ggml.tokens of model "rwkv": \t, \n, \r, \xHH (either case) and \ before any other
// character for itself; all else stands for itself. Error{kFormat} begins with `where`.
std::string unescape_gguf(std::string_view body, const Place& where);

}  // namespace rwkv
