// Short pieces, nearly all there are, take the plain way: look for the best pair, merge, repeat. A
// long one (a megabyte of one letter is a single piece) takes a heap of pairs over a linked list of
// symbols.
#include "tokenizers/merges.h"

#include <algorithm>
#include <functional>
#include <queue>

namespace rwkv {
namespace {

// Up to here the square of the length costs less than building the heap.
constexpr size_t kShort = 48;
constexpr uint32_t kEnd = 0xffffffff;

struct Link {
  Token token;  // -1: merged into the one before
  uint32_t before, after;
};

}  // namespace

MergeTable::MergeTable(std::span<const Merge> merges, size_t n_token) : begin_(n_token + 1) {
  std::vector<uint32_t> order(merges.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return merges[a].left != merges[b].left ? merges[a].left < merges[b].left
                                            : merges[a].right < merges[b].right;
  });
  rows_.reserve(order.size());
  for (uint32_t rank : order) {
    const Merge& merge = merges[rank];
    rows_.push_back({merge.right, rank, merge.result});
    ++begin_[static_cast<size_t>(merge.left) + 1];
  }
  for (size_t i = 1; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
}

const MergeTable::Row& MergeTable::find(Token left, Token right) const noexcept {
  const auto begin = rows_.begin() + begin_[static_cast<size_t>(left)];
  const auto end = rows_.begin() + begin_[static_cast<size_t>(left) + 1];
  const auto it = std::lower_bound(begin, end, right,
                                   [](const Row& row, Token token) { return row.right < token; });
  return it == end || it->right != right ? kNone : *it;
}

void MergeTable::apply(std::vector<Token>& symbols) const {
  if (symbols.size() <= kShort) apply_short(symbols);
  else apply_long(symbols);
}

void MergeTable::apply_short(std::vector<Token>& symbols) const {
  Row rows[kShort];  // rows[i]: the merge of symbols i and i + 1
  for (size_t i = 0; i + 1 < symbols.size(); ++i) rows[i] = find(symbols[i], symbols[i + 1]);
  while (symbols.size() > 1) {
    const size_t n_pair = symbols.size() - 1;
    const Row* best = std::min_element(
        rows, rows + n_pair, [](const Row& a, const Row& b) { return a.rank < b.rank; });
    if (best->rank == kNoRank) return;
    const size_t i = static_cast<size_t>(best - rows);
    symbols[i] = best->result;
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(i) + 1);
    std::move(rows + i + 1, rows + n_pair, rows + i);
    if (i > 0) rows[i - 1] = find(symbols[i - 1], symbols[i]);
    if (i + 1 < symbols.size()) rows[i] = find(symbols[i], symbols[i + 1]);
  }
}

void MergeTable::apply_long(std::vector<Token>& symbols) const {
  const auto n = static_cast<uint32_t>(symbols.size());
  std::vector<Link> links(n);
  for (uint32_t i = 0; i < n; ++i) links[i] = {symbols[i], i - 1, i + 1 < n ? i + 1 : kEnd};
  // Rank in the upper half, position in the lower: the best, then the leftmost, comes first. A pair
  // that changed stays in the heap; it is known by a rank that is no longer that of its place.
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> heap;
  const auto row_at = [&](uint32_t at) -> const Row& {
    const uint32_t after = links[at].after;
    return links[at].token < 0 || after == kEnd ? kNone
                                                : find(links[at].token, links[after].token);
  };
  const auto push = [&](uint32_t at) {
    if (const Row& row = row_at(at); row.rank != kNoRank)
      heap.push(uint64_t{row.rank} << 32 | at);
  };
  for (uint32_t i = 0; i < n; ++i) push(i);
  while (!heap.empty()) {
    const auto at = static_cast<uint32_t>(heap.top());
    const auto rank = static_cast<uint32_t>(heap.top() >> 32);
    heap.pop();
    const Row& row = row_at(at);
    if (row.rank != rank) continue;
    Link& merged = links[links[at].after];
    links[at] = {row.result, links[at].before, merged.after};
    if (merged.after != kEnd) links[merged.after].before = at;
    merged.token = -1;
    push(at);
    if (at != 0) push(links[at].before);
  }
  symbols.clear();
  for (uint32_t at = 0; at != kEnd; at = links[at].after) symbols.push_back(links[at].token);
}

}  // namespace rwkv
