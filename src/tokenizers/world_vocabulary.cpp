// The text form of a World vocabulary, one token a line: "<id> <python literal> <byte length>". The
// literal may hold spaces: it reaches from the first space to the last. Ids may come in any order
// and leave holes.
#include <charconv>

#include "base/error.h"
#include "tokenizers/python_literal.h"
#include "tokenizers/tokenizer.h"
#include "tokenizers/trie.h"

// world_data.cpp: the file's bytes inside the library.
extern "C" __attribute__((visibility("hidden"))) const char rwkv_world_vocabulary_begin[];
extern "C" __attribute__((visibility("hidden"))) const char rwkv_world_vocabulary_end[];

namespace rwkv {
namespace {


// The whole number that is all of `digits`, below `limit`.
size_t parse_whole(std::string_view digits, size_t limit, std::string_view what,
                   const Place& where) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value >= limit)
    throw Error(Code::kFormat, "{}: expected {} below {}", where.text(), what, limit);
  return value;
}

void parse_line(std::string_view line, const Place& where, std::vector<std::string>& entries) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    throw Error(Code::kFormat, "{}: expected an id, a literal and a length", where.text());
  const size_t id = parse_whole(line.substr(0, first), kMaxTokens, "an id", where);
  std::string bytes = parse_python_literal(line.substr(first + 1, last - first - 1), where);
  const size_t size =
      parse_whole(line.substr(last + 1), kMaxTokenBytes + 1, "a length in bytes", where);
  if (bytes.empty()) throw Error(Code::kFormat, "{}: the token is empty", where.text());
  if (bytes.size() != size)
    throw Error(Code::kFormat, "{}: the token has {} bytes, the line says {}", where.text(), bytes.size(),
                size);
  if (id >= entries.size()) entries.resize(id + 1);
  if (!entries[id].empty()) throw Error(Code::kFormat, "{}: id {} appears twice", where.text(), id);
  entries[id] = std::move(bytes);
}

std::vector<std::string> parse_lines(std::string_view text, const std::string& source) {
  std::vector<std::string> entries(1);  // id 0, end of text, is usually not in the file
  Place where{source, "line", 0};
  while (!text.empty()) {
    ++where.number;
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() && text.empty()) break;
    parse_line(line, where, entries);
  }
  return entries;
}

}  // namespace

std::unique_ptr<Tokenizer> parse_world_vocabulary(std::string_view text,
                                                  const std::string& source) {
  return make_world_tokenizer(parse_lines(text, source), {0}, source);
}

std::unique_ptr<Tokenizer> builtin_world_tokenizer() {
  const std::string source = "built-in World vocabulary";
  const auto size = static_cast<size_t>(rwkv_world_vocabulary_end - rwkv_world_vocabulary_begin);
  std::vector<std::string> entries = parse_lines({rwkv_world_vocabulary_begin, size}, source);
  entries.resize(kWorldVocab);
  return make_world_tokenizer(std::move(entries), {0}, source);
}

}  // namespace rwkv
