// Logits -> token id: penalties, filters, samplers. One Sampler per sequence; deterministic for a
// seed. One step: logit_bias, repeat_penalty, presence/frequency, DRY, then either greedy, or
// mirostat, or the filters in the order that TemperatureOrder gives, then a draw. README.md says
// what lives where.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rwkv {

// The penalty semantics in use among RWKV programs: the pip package, Ai00 / web-rwkv, OpenAI
// without decay, and Rapid-Sampling (rwkv_lightning: as Ai00, but the prompt does not count).
// Formulas: penalties.h.
enum class PenaltyMode { kRwkv, kAi00, kOpenAi, kRapid };

// Whether the filters see the distribution before temperature (RWKV's pip package) or after
// (OpenAI, Rapid-Sampling). The order of the filters differs too:
//   kAfterFilters   top_n_sigma, typical, top_p (of the whole distribution; ties with the last kept
//                   probability stay), top_k, min_p, XTC, temperature
//   kBeforeFilters  top_n_sigma, temperature, top_k, typical, top_p (of what top_k
//                   left; no ties), min_p, XTC
// llama.cpp's default chain is the second with temperature last; with temperature 1 both are equal.
enum class TemperatureOrder { kAfterFilters, kBeforeFilters };

struct SamplerParams {
  uint64_t seed = 0;          // the same seed, logits and options give the same ids
  float temperature = 1.0f;   // 0: greedy (argmax, lowest id wins ties)
  int top_k = 0;              // 0 (or -1): off
  float top_p = 1.0f;         // 1: off; 0: greedy
  float min_p = 0.0f;         // 0: off
  float typical_p = 1.0f;     // 1: off
  float top_n_sigma = -1.0f;  // <= 0: off
  float xtc_probability = 0.0f, xtc_threshold = 0.1f;
  int mirostat = 0;           // 0 or 2; with 2 the filters above are not used
  float mirostat_tau = 5.0f, mirostat_eta = 0.1f;
  TemperatureOrder temperature_order = TemperatureOrder::kAfterFilters;
  PenaltyMode penalty_mode = PenaltyMode::kRwkv;
  float presence_penalty = 0.0f, frequency_penalty = 0.0f, penalty_decay = 0.996f;
  float repeat_penalty = 1.0f;  // llama.cpp's: divides positive, multiplies negative logits; 1: off
  int repeat_last_n = 64;       // its window, prompt included; -1: the last 65536, 0: off
  float dry_multiplier = 0.0f, dry_base = 1.75f;  // 0: off
  int dry_allowed_length = 2, dry_penalty_last_n = 1024;  // -1: the last 65536 tokens, 0: off
  std::vector<std::vector<int32_t>> dry_breakers;  // token sequences that end a repeat
  std::vector<std::pair<int32_t, float>> logit_bias;  // added first; -inf bans
  // Tokens that never collect a frequency count in kRwkv mode (pip package: digits, space, tab).
  // They still get presence, as there.
  std::vector<int32_t> penalty_exempt;
};

// Error{kArgument} names the first value out of its range.
void validate(const SamplerParams& params);

struct Preset {
  std::string_view name, about;
  SamplerParams params;
};
// chat, chat-state, creative, conservative, think, g1, greedy, raven, world, pip, music ...
// (presets.cpp).
std::span<const Preset> presets();
const Preset* find_preset(std::string_view name);  // nullptr: there is no such preset

class Sampler {
 public:
  // Calls validate(); Error{kArgument} also when an id in `params` is not below n_vocab.
  static std::unique_ptr<Sampler> make(const SamplerParams& params, size_t n_vocab);
  virtual ~Sampler() = default;

  // Chooses the next id from `logits` [n_vocab] (not changed). A token at -inf is never chosen.
  // Error{kArgument}: another count of logits. Error{kInternal}: a logit is NaN or +inf, or all are
  // -inf; the sampler is then as before the call.
  virtual int32_t sample(std::span<const float> logits) = 0;
  // Tells the sampler that `token` was appended: by generation, or as part of the prompt.
  // Error{kArgument}: `token` is not below n_vocab.
  enum class Origin { kGenerated, kPrompt };
  virtual void accept(int32_t token, Origin origin) = 0;
  // Forgets all history and starts the random numbers over.
  virtual void reset() = 0;
  // A copy with its history and random state (for forks).
  virtual std::unique_ptr<Sampler> clone() const = 0;
};

}  // namespace rwkv
