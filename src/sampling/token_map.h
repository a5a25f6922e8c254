// A map from token to a small value, as a sorted vector: its size is the number of distinct tokens,
// a walk is linear in memory and in a fixed order, and after warming up nothing is allocated per
// step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace rwkv {

template <typename Value>
class TokenMap {
 public:
  using Entry = std::pair<int32_t, Value>;

  // The value of `token`, added as Value{} when absent; the flag is true when it was added.
  std::pair<Value&, bool> find_or_add(int32_t token) {
    auto at = lower_bound(token);
    const bool added = at == entries_.end() || at->first != token;
    if (added) at = entries_.insert(at, Entry{token, Value{}});
    return {at->second, added};
  }

  void erase(int32_t token) {
    const auto at = lower_bound(token);
    if (at != entries_.end() && at->first == token) entries_.erase(at);
  }

  template <typename Condition>
  void erase_if(Condition condition) {
    std::erase_if(entries_, condition);
  }

  void clear() { entries_.clear(); }
  size_t size() const { return entries_.size(); }
  auto begin() { return entries_.begin(); }
  auto end() { return entries_.end(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  auto lower_bound(int32_t token) {
    return std::lower_bound(entries_.begin(), entries_.end(), token,
                            [](const Entry& entry, int32_t t) { return entry.first < t; });
  }

  std::vector<Entry> entries_;  // ascending by token
};

}  // namespace rwkv
