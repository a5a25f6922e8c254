// Penalties on tokens that were seen. All act on raw logits, before any filter, and cost O(distinct
// tokens seen) per step, whatever the vocabulary.
//
// Presence and frequency (P = presence_penalty, F = frequency_penalty, D = penalty_decay; each seen
// token has a penalty that is subtracted from its logit):
//   kRwkv    generated tokens: all counts *= D, then count += 1 (exempt tokens: += 0);
//            penalty = P + F * count. Presence never decays. The prompt does not count.
//   kAi00    a prompt token: frequency parts *= D, then its own += F; presence part = P.
//            a generated token: whole penalties *= D, then its own = P if new, else += F.
//   kRapid   as kAi00, but the prompt does not count, and "new" is a token whose penalty is 0.
//   kOpenAi  penalty = P + F * count over generated tokens; D is not used.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sampling/sampler.h"
#include "sampling/token_map.h"
#include "sampling/window.h"

namespace rwkv {

// logit += delta, kept finite: a penalty, however large, is not a ban. -inf (a ban) stays.
void shift_logit(float& logit, double delta);

class OccurrencePenalty {
 public:
  explicit OccurrencePenalty(const SamplerParams& params);
  void apply(std::span<float> logits) const;  // [n_vocab]
  void accept(int32_t token, Sampler::Origin origin);
  void reset();
  size_t n_seen() const { return seen_.size(); }

 private:
  struct Seen {
    double presence = 0, frequency = 0;  // in units of the two scales below
  };
  void decay(bool presence_too);
  void fold();

  PenaltyMode mode_;
  double presence_, frequency_, decay_;
  std::vector<int32_t> exempt_;  // ascending
  TokenMap<Seen> seen_;
  // Decay multiplies these instead of every entry: accepting a long prompt stays cheap.
  double presence_scale_ = 1, frequency_scale_ = 1;
};

// llama.cpp's repeat_penalty: a token in the window (prompt included) has its logit divided by the
// penalty when positive and multiplied when negative, however often it occurs.
class RepeatPenalty {
 public:
  explicit RepeatPenalty(const SamplerParams& params);
  void apply(std::span<float> logits) const;  // [n_vocab]
  void accept(int32_t token);
  void reset();

 private:
  float penalty_;
  bool active_;
  Window window_;
  TokenMap<int> counts_;  // of the tokens in the window
};

}  // namespace rwkv
