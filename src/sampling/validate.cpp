// The door for sampler options: the first value out of its range, in the order of SamplerParams.
#include <cmath>
#include <limits>

#include "base/error.h"
#include "sampling/sampler.h"

namespace rwkv {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

// Finite and in [low, high].
void check_number(std::string_view option, double value, double low, double high) {
  if (std::isfinite(value) && value >= low && value <= high) return;
  if (low == -kNoLimit)
    throw Error(Code::kArgument, "{} is {}, expected a finite number", option, value);
  if (high == kNoLimit)
    throw Error(Code::kArgument, "{} is {}, expected a number of at least {}", option, value, low);
  throw Error(Code::kArgument, "{} is {}, expected {} to {}", option, value, low, high);
}

void check_token(std::string_view option, int32_t token) {
  if (token < 0) throw Error(Code::kArgument, "{}: token {} is negative", option, token);
}

void check_filters(const SamplerParams& p) {
  check_number("temperature", p.temperature, 0, kNoLimit);
  check_number("top_k", p.top_k, -1, kNoLimit);
  check_number("top_p", p.top_p, 0, 1);
  check_number("min_p", p.min_p, 0, 1);
  check_number("typical_p", p.typical_p, 0, 1);
  check_number("top_n_sigma", p.top_n_sigma, -kNoLimit, kNoLimit);
  check_number("xtc_probability", p.xtc_probability, 0, 1);
  check_number("xtc_threshold", p.xtc_threshold, 0, 1);
  if (p.mirostat != 0 && p.mirostat != 2)
    throw Error(Code::kArgument, "mirostat is {}, expected 0 (off) or 2", p.mirostat);
  check_number("mirostat_tau", p.mirostat_tau, 0, kNoLimit);
  check_number("mirostat_eta", p.mirostat_eta, 0, kNoLimit);
  check_number("temperature_order", static_cast<int>(p.temperature_order), 0,
               static_cast<int>(TemperatureOrder::kBeforeFilters));
}

void check_penalties(const SamplerParams& p) {
  check_number("penalty_mode", static_cast<int>(p.penalty_mode), 0,
               static_cast<int>(PenaltyMode::kRapid));
  check_number("presence_penalty", p.presence_penalty, -kNoLimit, kNoLimit);
  check_number("frequency_penalty", p.frequency_penalty, -kNoLimit, kNoLimit);
  check_number("penalty_decay", p.penalty_decay, 0, 1);
  if (!std::isfinite(p.repeat_penalty) || p.repeat_penalty <= 0)
    throw Error(Code::kArgument, "repeat_penalty is {}, expected a number above 0",
                p.repeat_penalty);
  check_number("repeat_last_n", p.repeat_last_n, -1, kNoLimit);
  check_number("dry_multiplier", p.dry_multiplier, 0, kNoLimit);
  check_number("dry_base", p.dry_base, 1, kNoLimit);
  check_number("dry_allowed_length", p.dry_allowed_length, 1, kNoLimit);
  check_number("dry_penalty_last_n", p.dry_penalty_last_n, -1, kNoLimit);
}

void check_lists(const SamplerParams& p) {
  for (size_t i = 0; i < p.dry_breakers.size(); ++i) {
    if (p.dry_breakers[i].empty())
      throw Error(Code::kArgument, "dry_breakers: entry {} is empty, expected one token or more",
                  i);
    for (const int32_t token : p.dry_breakers[i]) check_token("dry_breakers", token);
  }
  for (const auto& [token, bias] : p.logit_bias) {
    check_token("logit_bias", token);
    if (!(bias <= std::numeric_limits<float>::max()))
      throw Error(Code::kArgument, "logit_bias: token {} has {}, expected a finite number or -inf",
                  token, bias);
  }
  for (const int32_t token : p.penalty_exempt) check_token("penalty_exempt", token);
}

}  // namespace

void validate(const SamplerParams& params) {
  check_filters(params);
  check_penalties(params);
  check_lists(params);
}

}  // namespace rwkv
