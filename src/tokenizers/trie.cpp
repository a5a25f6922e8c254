// Built from the sorted entries breadth-first: a node is a range of entries with a common
// beginning.
#include "tokenizers/trie.h"

#include <algorithm>

namespace rwkv {
namespace {

// From this many children on a table of 256 beats the search; fewer would cost more memory than
// they save.
constexpr size_t kDenseChildren = 24;
constexpr size_t kMaxRows = 0xffff;

struct Sortable {
  uint64_t head;  // the first 8 bytes, big-endian: decides nearly every comparison
  TrieEntry entry;
};

uint64_t head_of(std::string_view text) noexcept {
  uint64_t head = 0;
  for (size_t i = 0; i < 8; ++i)
    head = head << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0u);
  return head;
}

void sort_entries(std::vector<TrieEntry>& entries) {
  std::vector<Sortable> keyed;
  keyed.reserve(entries.size());
  for (const TrieEntry& entry : entries) keyed.push_back({head_of(entry.text), entry});
  std::sort(keyed.begin(), keyed.end(), [](const Sortable& a, const Sortable& b) {
    if (a.head != b.head) return a.head < b.head;
    const int order = a.entry.text.compare(b.entry.text);
    return order != 0 ? order < 0 : a.entry.token < b.entry.token;
  });
  for (size_t i = 0; i < keyed.size(); ++i) entries[i] = keyed[i].entry;
}

struct Range {
  uint32_t first, last;  // entries [first, last) share their first `depth` bytes
  uint32_t depth;
};

}  // namespace

Trie::Trie(std::vector<TrieEntry> entries) {
  sort_entries(entries);
  std::vector<Range> ranges = {{0, static_cast<uint32_t>(entries.size()), 0}};
  label_ = {0};
  row_child_.resize(256);
  for (size_t node = 0; node < ranges.size(); ++node) {
    auto [first, last, depth] = ranges[node];
    token_.push_back(-1);
    if (first < last && entries[first].text.size() == depth) token_.back() = entries[first].token;
    while (first < last && entries[first].text.size() == depth) ++first;
    first_child_.push_back(static_cast<uint32_t>(ranges.size()));
    while (first < last) {
      const char byte = entries[first].text[depth];
      uint32_t end = first + 1;
      while (end < last && entries[end].text[depth] == byte) ++end;
      ranges.push_back({first, end, depth + 1});
      label_.push_back(static_cast<uint8_t>(byte));
      first = end;
    }
    const size_t n_child = ranges.size() - first_child_.back();
    const size_t n_row = row_child_.size() / 256;
    row_.push_back(0);
    if (node != 0 && (n_child < kDenseChildren || n_row >= kMaxRows)) continue;
    row_.back() = static_cast<uint16_t>(n_row);  // the root is always dense
    row_child_.resize(row_child_.size() + 256);
    for (size_t i = first_child_.back(); i < ranges.size(); ++i)
      row_child_[n_row * 256 + label_[i]] = static_cast<uint32_t>(i);
  }
  first_child_.push_back(static_cast<uint32_t>(ranges.size()));
}

uint32_t Trie::child(uint32_t node, unsigned char byte) const noexcept {
  if (row_[node] != 0) return row_child_[row_[node] * size_t{256} + byte];
  const auto begin = label_.begin() + first_child_[node];
  const auto end = label_.begin() + first_child_[node + 1];
  const auto it = std::lower_bound(begin, end, byte);
  return it == end || *it != byte ? 0u : static_cast<uint32_t>(it - label_.begin());
}

Trie::Match Trie::longest_match(std::string_view text) const noexcept {
  Match best{-1, 0};
  if (empty()) return best;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    node = child(node, static_cast<unsigned char>(text[i]));
    if (node == 0) break;
    if (token_[node] >= 0) best = {token_[node], i + 1};
  }
  return best;
}

Token Trie::find(std::string_view text) const noexcept {
  if (empty()) return -1;
  uint32_t node = 0;
  for (char c : text)
    if (node = child(node, static_cast<unsigned char>(c)); node == 0) return -1;
  return token_[node];
}

}  // namespace rwkv
