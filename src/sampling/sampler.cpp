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

// NaN and +inf come from a broken model, and nothing sensible follows from them.
void check_logits(std::span<const float> logits) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (size_t i = 0; i < logits.size(); ++i)
    if (!(logits[i] <= kLargest))
      throw Error(Code::kInternal, "logits: token {} has {}, expected a finite number or -inf", i,
                  logits[i]);
}

void check_tokens(std::span<const int32_t> tokens, std::string_view option, size_t n_vocab) {
  for (const int32_t token : tokens)
    if (static_cast<size_t>(token) >= n_vocab)
      throw Error(Code::kArgument, "{}: token {} is not in the vocabulary of {} tokens", option,
                  token, n_vocab);
}

[[noreturn]] void fail_all_banned() {
  throw Error(Code::kInternal, "logits: every token is at -inf, so none can be chosen");
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
        logits_(n_vocab) {}

  int32_t sample(std::span<const float> logits) override;
  void accept(int32_t token, Origin origin) override;
  void reset() override;
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<ChainSampler>(*this); }

 private:
  int32_t best_token() const;
  void collect_candidates();
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

  // Working space of sample().
  std::vector<float> logits_;  // [n_vocab]
  Candidates candidates_;
  FilterScratch scratch_;
};

int32_t ChainSampler::sample(std::span<const float> logits) {
  if (logits.size() != logits_.size())
    throw Error(Code::kArgument, "sample: got {} logits, the sampler was made for {}",
                logits.size(), logits_.size());
  check_logits(logits);
  std::copy(logits.begin(), logits.end(), logits_.begin());
  for (const auto& [token, bias] : params_.logit_bias) {
    if (bias == kBanned)
      logits_[token] = kBanned;
    else
      shift_logit(logits_[token], bias);
  }
  repeat_.apply(logits_);
  occurrence_.apply(logits_);
  dry_.apply(logits_);

  if (params_.temperature == 0 || params_.top_p == 0) return best_token();
  collect_candidates();
  if (params_.mirostat == 2) return draw_mirostat();
  filter();
  normalise(candidates_);
  return candidates_[draw(candidates_, random_.uniform())].token;
}

int32_t ChainSampler::best_token() const {
  const auto best = std::max_element(logits_.begin(), logits_.end());
  if (*best == kBanned) fail_all_banned();
  return static_cast<int32_t>(best - logits_.begin());
}

void ChainSampler::collect_candidates() {
  candidates_.clear();
  candidates_.reserve(logits_.size());
  for (size_t i = 0; i < logits_.size(); ++i)
    if (logits_[i] != kBanned) candidates_.push_back({static_cast<int32_t>(i), logits_[i], 0});
  if (candidates_.empty()) fail_all_banned();
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
    normalise(candidates_);
    keep_typical(candidates_, params_.typical_p, scratch_);
  }
  if (params_.top_p < 1) {
    normalise(candidates_);
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
    normalise(candidates_);
    keep_typical(candidates_, params_.typical_p, scratch_);
  }
  if (params_.top_p < 1) {
    normalise(candidates_);
    keep_top_p(candidates_, params_.top_p, Ties::kCut, scratch_);
  }
  filter_tail();
}

// The filters that both orders end with.
void ChainSampler::filter_tail() {
  if (params_.min_p > 0) {
    normalise(candidates_);
    keep_min_p(candidates_, params_.min_p);
  }
  // Above one half at most one token can reach the threshold, and XTC never removes the only one.
  if (params_.xtc_probability > 0 && params_.xtc_threshold <= 0.5f &&
      random_.uniform() < static_cast<double>(params_.xtc_probability)) {
    normalise(candidates_);
    exclude_top_choices(candidates_, params_.xtc_threshold);
  }
}

int32_t ChainSampler::draw_mirostat() {
  if (params_.temperature != 1) apply_temperature(candidates_, params_.temperature);
  normalise(candidates_);
  keep_unsurprising(candidates_, surprise_limit_);
  normalise(candidates_);
  const Candidate& drawn = candidates_[draw(candidates_, random_.uniform())];
  surprise_limit_ -= params_.mirostat_eta * (-std::log2(drawn.p) - params_.mirostat_tau);
  return drawn.token;
}

void ChainSampler::accept(int32_t token, Origin origin) {
  check_tokens({&token, 1}, "accept", logits_.size());
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

void Sampler::log_softmax(std::span<const float> logits, std::span<float> out) {
  if (logits.empty() || logits.size() != out.size())
    throw Error(Code::kArgument, "log_softmax: got {} logits and room for {}", logits.size(),
                out.size());
  check_logits(logits);
  const float largest = *std::max_element(logits.begin(), logits.end());
  if (largest == kBanned) fail_all_banned();
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  const double log_sum = std::log(sum) + largest;
  for (size_t i = 0; i < logits.size(); ++i) out[i] = static_cast<float>(logits[i] - log_sum);
}

}  // namespace rwkv
