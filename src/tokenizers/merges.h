// The merges of byte-level BPE: pairs of tokens that become one, best first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tokenizers/tokenizer.h"

namespace rwkv {

struct Merge {
  Token left, right, result;
};

class MergeTable {
 public:
  MergeTable() = default;
  // `merges` best first; tokens in [0, n_token). A pair that appears twice keeps its better rank.
  MergeTable(std::span<const Merge> merges, size_t n_token);

  // Applies the best merge, the leftmost of equals, until none is left. Cost: n log n.
  void apply(std::vector<Token>& symbols) const;

 private:
  static constexpr uint32_t kNoRank = 0xffffffff;
  struct Row {
    Token right;
    uint32_t rank;
    Token result;
  };
  static constexpr Row kNone = {-1, kNoRank, -1};

  const Row& find(Token left, Token right) const noexcept;
  void apply_short(std::vector<Token>& symbols) const;
  void apply_long(std::vector<Token>& symbols) const;

  std::vector<uint32_t> begin_;  // [n_token + 1]  rows of a left token
  std::vector<Row> rows_;        // by left token, then right
};

}  // namespace rwkv
