// The last N tokens of a sequence, oldest dropped first: the bounded history of repeat_penalty and
// DRY.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace rwkv {

// "Everything" (-1) means this many tokens (256 KiB), so a chat without end stays bounded.
inline constexpr int kMaxWindow = 65536;

class Window {
 public:
  // n_token: -1 means kMaxWindow; more than kMaxWindow is cut to it.
  explicit Window(int n_token)
      : capacity_(static_cast<size_t>(n_token < 0 ? kMaxWindow : std::min(n_token, kMaxWindow))) {}

  // Appends; returns the token that fell out, if one did. A window of 0 keeps nothing.
  std::optional<int32_t> push(int32_t token) {
    if (capacity_ == 0) return token;
    if (ring_.size() < capacity_) {
      ring_.push_back(token);
      return std::nullopt;
    }
    const int32_t oldest = ring_[next_];
    ring_[next_] = token;
    next_ = (next_ + 1) % capacity_;
    return oldest;
  }

  void clear() {
    ring_.clear();
    next_ = 0;
  }

  size_t size() const { return ring_.size(); }

  // Newest first: out [size()].
  void copy_reversed(std::vector<int32_t>& out) const {
    out.assign(ring_.rbegin() + static_cast<std::ptrdiff_t>(ring_.size() - next_), ring_.rend());
    out.insert(out.end(), ring_.rbegin(),
               ring_.rbegin() + static_cast<std::ptrdiff_t>(ring_.size() - next_));
  }

 private:
  size_t capacity_;
  size_t next_ = 0;  // place of the oldest token once the ring is full, else 0
  std::vector<int32_t> ring_;
};

}  // namespace rwkv
