// Settings that RWKV programs and their authors recommend, by name. Values are those of the named
// source; "precise" is another name of "conservative", "mechanical" of "greedy".
#include <algorithm>
#include <array>

#include "sampling/sampler.h"

namespace rwkv {
namespace {

struct Penalties {
  float presence = 0, frequency = 0, decay = 0.996f;
};

SamplerParams params_of(float temperature, float top_p, int top_k = 0, Penalties penalties = {}) {
  SamplerParams params;
  params.temperature = temperature;
  params.top_p = top_p;
  params.top_k = top_k;
  params.presence_penalty = penalties.presence;
  params.frequency_penalty = penalties.frequency;
  params.penalty_decay = penalties.decay;
  return params;
}

// rwkv_lightning samples with Rapid-Sampling: its own penalties, temperature before the filters.
SamplerParams lightning(int top_k, Penalties penalties) {
  SamplerParams params = params_of(1.0f, 0.6f, top_k, penalties);
  params.penalty_mode = PenaltyMode::kRapid;
  params.temperature_order = TemperatureOrder::kBeforeFilters;
  return params;
}

SamplerParams ollama() {
  SamplerParams params = params_of(1.0f, 0.5f);
  params.repeat_penalty = 1.2f;
  return params;
}

std::array<Preset, 20> make_presets() {
  return {{
      {"chat", "chat with World and G1 models; the usual default",
       params_of(1.0f, 0.3f, 0, {0.5f, 0.5f})},
      {"chat-state", "chat with a tuned state file loaded", params_of(1.0f, 0.2f, 0, {0.3f, 0.3f})},
      {"creative", "stories and roleplay", params_of(0.6f, 0.8f, 0, {2.0f, 0.2f, 0.99f})},
      {"conservative", "questions with one right answer, code", params_of(0.3f, 0.3f)},
      {"precise", "the same as conservative", params_of(0.3f, 0.3f)},
      {"think", "G0/G1 reasoning with a little freedom (greedy is the other choice)",
       params_of(0.3f, 0.3f)},
      {"g1", "G1 models, the example of the pip package",
       params_of(1.0f, 0.5f, 100, {0, 0, 0.997f})},
      {"greedy", "always the likeliest token; translation, extraction", params_of(0, 0)},
      {"mechanical", "the same as greedy", params_of(0, 0)},
      {"raven", "Raven chat models (ChatRWKV v2)", params_of(1.2f, 0.5f, 0, {0.4f, 0.4f})},
      {"world", "World models, the World demo", params_of(1.0f, 0.2f, 0, {0.4f, 0.4f})},
      {"pip", "defaults of the rwkv pip package (digits are exempt there: see penalty_exempt)",
       params_of(1.0f, 0.85f, 0, {0.2f, 0.2f})},
      {"runner", "defaults of RWKV-Runner", params_of(1.0f, 0.3f, 0, {0, 1.0f})},
      {"lightning", "defaults of rwkv_lightning", lightning(50, {2.0f, 0.2f})},
      {"lightning-openai", "defaults of rwkv_lightning's OpenAI route",
       lightning(20, {1.0f, 0.1f})},
      {"ollama", "the usual ollama modelfile for RWKV", ollama()},
      {"music", "MIDI models", params_of(1.0f, 0.8f, 8, {0, 0.5f, 0.997f})},
      {"midi", "the same as music", params_of(1.0f, 0.8f, 8, {0, 0.5f, 0.997f})},
      {"abc", "ABC notation models", params_of(1.0f, 0.8f, 8)},
      {"plain", "draws from the model's own distribution, nothing changed", params_of(1.0f, 1.0f)},
  }};
}

}  // namespace

std::span<const Preset> presets() {
  static const std::array<Preset, 20> kPresets = make_presets();
  return kPresets;
}

const Preset* find_preset(std::string_view name) {
  const auto all = presets();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Preset& p) { return p.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace rwkv
