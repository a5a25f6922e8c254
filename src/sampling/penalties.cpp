// Presence, frequency and repeat penalties; formulas in penalties.h.
#include "sampling/penalties.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rwkv {
namespace {

// Below this a scale is multiplied into the entries, long before 1 / scale could overflow.
constexpr double kSmallestScale = 1e-12;
// A penalty of this size changes a probability by a factor 1 - 1e-9, less than one rounding of a
// float.
constexpr double kNegligible = 1e-9;

}  // namespace

void shift_logit(float& logit, double delta) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  if (logit == -std::numeric_limits<float>::infinity()) return;
  logit = static_cast<float>(std::clamp(static_cast<double>(logit) + delta, -kLargest, kLargest));
}

OccurrencePenalty::OccurrencePenalty(const SamplerParams& params)
    : mode_(params.penalty_mode),
      presence_(params.presence_penalty),
      frequency_(params.frequency_penalty),
      decay_(params.penalty_mode == PenaltyMode::kOpenAi ? 1.0 : params.penalty_decay) {
  if (mode_ == PenaltyMode::kRwkv) exempt_ = params.penalty_exempt;
  std::sort(exempt_.begin(), exempt_.end());
}

void OccurrencePenalty::apply(std::span<float> logits) const {
  for (const auto& [token, seen] : seen_)
    shift_logit(logits[token],
                -(seen.presence * presence_scale_ + seen.frequency * frequency_scale_));
}

void OccurrencePenalty::accept(int32_t token, Sampler::Origin origin) {
  if (presence_ == 0 && frequency_ == 0) return;
  const bool from_prompt = origin == Sampler::Origin::kPrompt;
  if (from_prompt && mode_ != PenaltyMode::kAi00) return;
  const bool whole_decays = mode_ == PenaltyMode::kAi00 || mode_ == PenaltyMode::kRapid;
  decay(whole_decays && !from_prompt);

  auto [seen, added] = seen_.find_or_add(token);
  bool is_new = added;
  if (mode_ == PenaltyMode::kRapid && seen.presence * presence_scale_ + seen.frequency * frequency_scale_ == 0) {
    is_new = true;
    seen = {};
  }
  if (is_new || from_prompt) seen.presence = presence_ / presence_scale_;
  const bool exempt = std::binary_search(exempt_.begin(), exempt_.end(), token);
  const bool presence_only = is_new && whole_decays && !from_prompt;
  if (!exempt && !presence_only) seen.frequency += frequency_ / frequency_scale_;
}

void OccurrencePenalty::decay(bool presence_too) {
  frequency_scale_ *= decay_;
  if (presence_too) presence_scale_ *= decay_;
  if (std::min(frequency_scale_, presence_scale_) < kSmallestScale) fold();
}

// Entries are forgotten only in kRwkv without presence: there a faded count is as good as none.
// With presence the penalty stays for good; in kAi00 "seen" decides between P and F, and in kRapid a
// faded penalty does so as long as it is not 0. The map is then bounded by the vocabulary.
void OccurrencePenalty::fold() {
  for (auto& [token, seen] : seen_) {
    seen.presence *= presence_scale_;
    seen.frequency *= frequency_scale_;
  }
  presence_scale_ = frequency_scale_ = 1;
  if (mode_ == PenaltyMode::kRwkv && presence_ == 0)
    seen_.erase_if([](const TokenMap<Seen>::Entry& entry) {
      return std::abs(entry.second.frequency) < kNegligible;
    });
}

void OccurrencePenalty::reset() {
  seen_.clear();
  presence_scale_ = frequency_scale_ = 1;
}

RepeatPenalty::RepeatPenalty(const SamplerParams& params)
    : penalty_(params.repeat_penalty),
      active_(params.repeat_penalty != 1.0f && params.repeat_last_n != 0),
      window_(params.repeat_last_n) {}

void RepeatPenalty::apply(std::span<float> logits) const {
  for (const auto& [token, count] : counts_) {
    float& logit = logits[token];
    const double was = logit;
    shift_logit(logit, (was > 0 ? was / penalty_ : was * penalty_) - was);
  }
}

void RepeatPenalty::accept(int32_t token) {
  if (!active_) return;
  ++counts_.find_or_add(token).first;
  const auto dropped = window_.push(token);
  if (dropped && --counts_.find_or_add(*dropped).first == 0) counts_.erase(*dropped);
}

void RepeatPenalty::reset() {
  window_.clear();
  counts_.clear();
}

}  // namespace rwkv
