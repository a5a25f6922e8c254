// The texts of all ids in one block of memory, and cutting a text at the names of special tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizers/tokenizer.h"
#include "tokenizers/trie.h"

namespace rwkv {

// tokenizer.ggml.token_type of GGUF.
constexpr int64_t kTypeUnknown = 2, kTypeControl = 3, kTypeUser = 4, kTypeUnused = 5;

class TokenTable {
 public:
  // Error{kFormat} naming `source` beyond kMaxTokens entries or kMaxTokenBytes in one.
  TokenTable(const std::vector<std::string>& entries, const std::string& source) {
    if (entries.size() > kMaxTokens)
      throw Error(Code::kFormat, "{}: {} tokens, the limit is {}", source, entries.size(),
                  kMaxTokens);
    begin_.reserve(entries.size() + 1);
    for (size_t id = 0; id < entries.size(); ++id) {
      if (entries[id].size() > kMaxTokenBytes)
        throw Error(Code::kFormat, "{}: token {} has {} bytes, the limit is {}", source, id,
                    entries[id].size(), kMaxTokenBytes);
      begin_.push_back(static_cast<uint32_t>(bytes_.size()));  // 2^20 * 2^10 bytes at most
      bytes_ += entries[id];
    }
    begin_.push_back(static_cast<uint32_t>(bytes_.size()));
    bytes_.shrink_to_fit();
  }

  size_t size() const noexcept { return begin_.size() - 1; }
  bool holds(Token token) const noexcept {
    return token >= 0 && static_cast<size_t>(token) < size();
  }
  // "" for an id that is not in the table.
  std::string_view operator[](Token token) const noexcept {
    if (!holds(token)) return {};
    const size_t id = static_cast<size_t>(token);
    return std::string_view(bytes_).substr(begin_[id], begin_[id + 1] - begin_[id]);
  }

 private:
  std::string bytes_;
  std::vector<uint32_t> begin_;  // [size + 1]
};

// Cuts `text` at every name in `names`, leftmost first and longest among those: calls on_text(part)
// for the stretches between (never empty) and on_name(token) for the names.
template <typename OnText, typename OnName>
void cut_at_names(std::string_view text, const Trie& names, OnText on_text, OnName on_name) {
  size_t begin = 0;
  for (size_t at = 0; !names.empty() && at < text.size();) {
    const Trie::Match match = names.longest_match(text.substr(at));
    if (match.token < 0) {
      ++at;
      continue;
    }
    if (begin < at) on_text(text.substr(begin, at - begin));
    on_name(match.token);
    begin = at += match.size;
  }
  if (begin < text.size()) on_text(text.substr(begin));
}

}  // namespace rwkv
