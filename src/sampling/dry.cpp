// DRY; the rule is in dry.h. Newest first, "the text ends with what occurred before" becomes a
// common prefix, and the Z-function gives all of them in linear time.
#include "sampling/dry.h"

#include <algorithm>
#include <cmath>

#include "sampling/penalties.h"

namespace rwkv {

DryPenalty::DryPenalty(const SamplerParams& params)
    : multiplier_(params.dry_multiplier),
      base_(params.dry_base),
      allowed_length_(static_cast<size_t>(params.dry_allowed_length)),
      active_(params.dry_multiplier > 0 && params.dry_penalty_last_n != 0),
      breakers_(params.dry_breakers),
      window_(params.dry_penalty_last_n) {}

void DryPenalty::accept(int32_t token) {
  if (active_) window_.push(token);
}

void DryPenalty::apply(std::span<float> logits) {
  if (!active_ || window_.size() < 2) return;
  window_.copy_reversed(recent_);
  const size_t limit = longest_allowed_repeat();
  if (limit < allowed_length_) return;

  measure_repeats();
  longest_repeat_.clear();
  for (size_t i = 1; i < recent_.size(); ++i) {
    const size_t length = std::min(repeat_[i], limit);
    if (length < allowed_length_) continue;
    size_t& longest = longest_repeat_.find_or_add(recent_[i - 1]).first;
    longest = std::max(longest, length);
  }
  for (const auto& [token, length] : longest_repeat_) {
    if (is_breaker(token)) continue;
    const double exponent = static_cast<double>(length - allowed_length_);
    shift_logit(logits[token], -multiplier_ * std::pow(base_, exponent));
  }
}

// The number of tokens after the latest breaker; all of them when there is none.
size_t DryPenalty::longest_allowed_repeat() const {
  for (size_t head = 0; head < recent_.size(); ++head) {
    size_t longest = 0;  // breaker that starts at `head` and runs towards the newest token
    for (const auto& breaker : breakers_) {
      const size_t n = breaker.size();
      if (n > head + 1 || n <= longest) continue;
      // Text order runs down in recent_, so compare the breaker reversed.
      if (std::equal(breaker.rbegin(), breaker.rend(), recent_.begin() + (head + 1 - n)))
        longest = n;
    }
    if (longest > 0) return head + 1 - longest;
  }
  return recent_.size();
}

void DryPenalty::measure_repeats() {
  const size_t n = recent_.size();
  repeat_.assign(n, 0);
  size_t left = 0, right = 0;  // the match [left, right) that reaches furthest so far
  for (size_t i = 1; i < n; ++i) {
    size_t length = i < right ? std::min(right - i, repeat_[i - left]) : 0;
    while (i + length < n && recent_[length] == recent_[i + length]) ++length;
    repeat_[i] = length;
    if (i + length > right) {
      left = i;
      right = i + length;
    }
  }
}

bool DryPenalty::is_breaker(int32_t token) const {
  return std::any_of(breakers_.begin(), breakers_.end(), [&](const auto& breaker) {
    return breaker.size() == 1 && breaker.front() == token;
  });
}

}  // namespace rwkv
