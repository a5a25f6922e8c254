// One step of sampling, in the order that sampler.h promises.
#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "sampling/dry.h"
#include "sampling/filters.h"
#include "sampling/penalties.h"
#include "sampling/random.h"

namespace rwkv {
namespace {

constexpr float kBanned = -std::numeric_limits<float>::infinity();

// How many of them: without a branch, so that compilers make vectors of it.
template <typename Condition>
uint32_t count(std::span<const float> logits, Condition condition) {
  uint32_t n = 0;
  for (const float x : logits) n += condition(x) ? 1 : 0;
  return n;
}

// NaN and +inf come from a broken model, and nothing sensible follows from them.
void check_logits(std::span<const float> logits) {
  const auto is_bad = [](float x) { return !(x <= std::numeric_limits<float>::max()); };
  if (count(logits, is_bad) == 0) return;
  const auto bad = std::find_if(logits.begin(), logits.end(), is_bad);
  throw Error(Code::kInternal, "logits: token {} has {}, expected a finite number or -inf", bad - logits.begin(), *bad);
}

void check_tokens(std::span<const int32_t> tokens, std::string_view option, size_t n_vocab) {
  for (const int32_t token : tokens)
    if (static_cast<size_t>(token) >= n_vocab)
      throw Error(Code::kArgument, "{}: token {} is not in the vocabulary of {} tokens", option,
                  token, n_vocab);
}

class ChainSampler final : public Sampler {
 public:
  ChainSampler(const SamplerParams& params, size_t n_vocab)
      : params_(params),
        repeat_(params),
        occurrence_(params),
        dry_(params),
        random_(params.seed),
        surprise_limit_(2.0 * params.mirostat_tau),
        n_vocab_(n_vocab) {}

  int32_t sample(std::span<const float> logits) override;
  void accept(int32_t token, Origin origin) override;
  void reset() override;
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<ChainSampler>(*this); }

 private:
  void filter();
  void filter_before_temperature();
  void filter_after_temperature();
  void filter_tail();
  int32_t draw_mirostat();

  SamplerParams params_;
  RepeatPenalty repeat_;
  OccurrencePenalty occurrence_;
  DryPenalty dry_;
  Random random_;
  double surprise_limit_;  // mirostat's mu, in bits
  size_t n_vocab_;

  // Working space of sample().
  Candidates candidates_;
  FilterScratch scratch_;
};

int32_t ChainSampler::sample(std::span<const float> logits) {
  if (logits.size() != n_vocab_)
    throw Error(Code::kArgument, "sample: got {} logits, the sampler was made for {}", logits.size(), n_vocab_);
  check_logits(logits);
  candidates_.assign(logits);
  std::span<float> changed = candidates_.logit;
  for (const auto& [token, bias] : params_.logit_bias) {
    if (bias == kBanned)
      changed[token] = kBanned;
    else
      shift_logit(changed[token], bias);
  }
  repeat_.apply(changed);
  occurrence_.apply(changed);
  dry_.apply(changed);
  if (count(changed, [](float x) { return x == kBanned; }) > 0)
    candidates_.keep_if([&](size_t i) { return candidates_.logit[i] != kBanned; });
  if (candidates_.size() == 0) throw Error(Code::kInternal, "logits: every token is at -inf, so none can be chosen");

  if (params_.temperature == 0 || params_.top_p == 0) return candidates_.token[candidates_.best()];
  if (params_.mirostat == 2) return draw_mirostat();
  filter();
  candidates_.weigh();
  return candidates_.token[draw(candidates_, random_.uniform())];
}

void ChainSampler::filter() {
  if (params_.top_n_sigma > 0) keep_top_n_sigma(candidates_, params_.top_n_sigma);
  if (params_.temperature_order == TemperatureOrder::kAfterFilters)
    filter_before_temperature();
  else
    filter_after_temperature();
}

void ChainSampler::filter_before_temperature() {
  if (params_.typical_p < 1) {
    candidates_.weigh();
    keep_typical(candidates_, params_.typical_p, scratch_);
  }
  if (params_.top_p < 1) {
    candidates_.weigh();
    keep_top_p(candidates_, params_.top_p, Ties::kKeep, scratch_);
  }
  if (params_.top_k > 0) keep_top_k(candidates_, static_cast<size_t>(params_.top_k), scratch_);
  filter_tail();
  if (params_.temperature != 1) apply_temperature(candidates_, params_.temperature);
}

void ChainSampler::filter_after_temperature() {
  if (params_.temperature != 1) apply_temperature(candidates_, params_.temperature);
  if (params_.top_k > 0) keep_top_k(candidates_, static_cast<size_t>(params_.top_k), scratch_);
  if (params_.typical_p < 1) {
    candidates_.weigh();
    keep_typical(candidates_, params_.typical_p, scratch_);
  }
  if (params_.top_p < 1) {
    candidates_.weigh();
    keep_top_p(candidates_, params_.top_p, Ties::kCut, scratch_);
  }
  filter_tail();
}

// The filters that both orders end with.
void ChainSampler::filter_tail() {
  if (params_.min_p > 0) {
    candidates_.weigh();
    keep_min_p(candidates_, params_.min_p);
  }
  // Above one half at most one token can reach the threshold, and XTC never removes the only one.
  if (params_.xtc_probability > 0 && params_.xtc_threshold <= 0.5f &&
      random_.uniform() < static_cast<double>(params_.xtc_probability)) {
    candidates_.weigh();
    exclude_top_choices(candidates_, params_.xtc_threshold);
  }
}

int32_t ChainSampler::draw_mirostat() {
  if (params_.temperature != 1) apply_temperature(candidates_, params_.temperature);
  candidates_.weigh();
  keep_unsurprising(candidates_, surprise_limit_);
  candidates_.weigh();
  const size_t drawn = draw(candidates_, random_.uniform());
  surprise_limit_ -= params_.mirostat_eta * (candidates_.surprise(drawn) / std::log(2.0) - params_.mirostat_tau);
  return candidates_.token[drawn];
}

void ChainSampler::accept(int32_t token, Origin origin) {
  check_tokens({&token, 1}, "accept", n_vocab_);
  occurrence_.accept(token, origin);
  repeat_.accept(token);
  dry_.accept(token);
}

void ChainSampler::reset() {
  repeat_.reset();
  occurrence_.reset();
  dry_.reset();
  random_ = Random(params_.seed);
  surprise_limit_ = 2.0 * params_.mirostat_tau;
}

}  // namespace

std::unique_ptr<Sampler> Sampler::make(const SamplerParams& params, size_t n_vocab) {
  validate(params);
  if (n_vocab == 0) throw Error(Code::kArgument, "sampler: the vocabulary is empty");
  for (const auto& [token, bias] : params.logit_bias)
    check_tokens({&token, 1}, "logit_bias", n_vocab);
  for (const auto& breaker : params.dry_breakers) check_tokens(breaker, "dry_breakers", n_vocab);
  check_tokens(params.penalty_exempt, "penalty_exempt", n_vocab);
  return std::make_unique<ChainSampler>(params, n_vocab);
}

}  // namespace rwkv
