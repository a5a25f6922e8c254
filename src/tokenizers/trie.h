// A byte trie in flat arrays: the longest of many byte strings that begins a text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/tokenizer.h"

namespace rwkv {

// Longer tokens are refused at load: with greedy matching the cost of hostile text is its size
// times the longest token. The longest of World has 128 bytes.
inline constexpr size_t kMaxTokenBytes = 1024;

// What every vocabulary is held to at the door.
inline constexpr size_t kMaxTokens = size_t{1} << 20;

struct TrieEntry {
  std::string_view text;  // not empty, at most kMaxTokenBytes
  Token token;            // >= 0
};

class Trie {
 public:
  struct Match {
    Token token;  // -1: no entry begins the text
    size_t size;
  };

  Trie() = default;
  // Equal texts: the lowest token wins. The views are not kept.
  explicit Trie(std::vector<TrieEntry> entries);

  bool empty() const noexcept { return token_.size() <= 1; }
  Match longest_match(std::string_view text) const noexcept;
  // The token of exactly `text`, or -1.
  Token find(std::string_view text) const noexcept;

 private:
  uint32_t child(uint32_t node, unsigned char byte) const noexcept;  // 0: none

  // Nodes in breadth-first order, root first: the children of a node are neighbours, sorted by
  // label.
  std::vector<uint32_t> first_child_;  // [n_node + 1]
  std::vector<Token> token_;           // [n_node]  -1: only on the way to others
  std::vector<uint8_t> label_;         // [n_node]  byte on the edge to the node
  std::vector<uint16_t> row_;          // [n_node]  0: search the labels, else a row of row_child_
  std::vector<uint32_t> row_child_;    // [n_row, 256]  children of nodes with many; row 0 unused
};

}  // namespace rwkv
