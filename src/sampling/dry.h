// DRY ("don't repeat yourself"): lowers every token that would lengthen a verbatim repeat. If the
// text ends with a sequence of length n that occurred before in the window and token t followed it
// there, then
//   logit[t] -= dry_multiplier * dry_base ^ (n - dry_allowed_length)   for n >= dry_allowed_length,
// with the longest such n. A repeat does not reach back over a breaker (a token sequence such as a
// line break), and a token that is a breaker by itself is never lowered. Prompt and generated
// tokens count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sampling/sampler.h"
#include "sampling/token_map.h"
#include "sampling/window.h"

namespace rwkv {

class DryPenalty {
 public:
  explicit DryPenalty(const SamplerParams& params);
  void apply(std::span<float> logits);  // [n_vocab]; O(window)
  void accept(int32_t token);
  void reset() { window_.clear(); }

 private:
  size_t longest_allowed_repeat() const;
  void measure_repeats();
  bool is_breaker(int32_t token) const;

  double multiplier_, base_;
  size_t allowed_length_;
  bool active_;
  std::vector<std::vector<int32_t>> breakers_;
  Window window_;
  // Working space of apply().
  std::vector<int32_t> recent_;      // the window, newest first
  std::vector<size_t> repeat_;       // [i]: how far recent_[i..] agrees with recent_[0..]
  TokenMap<size_t> longest_repeat_;  // by the token that would lengthen it
};

}  // namespace rwkv
