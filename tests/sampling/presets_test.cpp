// The table of presets, value by value, written down a second time from its sources.
#include <gtest/gtest.h>

#include <set>

#include "sampling/sampler.h"

namespace rwkv::presets_test {
namespace {

struct Row {
  const char* name;
  float temperature, top_p;
  int top_k;
  float presence, frequency, decay;
};

const Row kRows[] = {
    {"chat", 1.0f, 0.3f, 0, 0.5f, 0.5f, 0.996f},
    {"chat-state", 1.0f, 0.2f, 0, 0.3f, 0.3f, 0.996f},
    {"g1", 1.0f, 0.5f, 100, 0, 0, 0.997f},
    {"think", 0.3f, 0.3f, 0, 0, 0, 0.996f},
    {"creative", 0.6f, 0.8f, 0, 2.0f, 0.2f, 0.99f},
    {"conservative", 0.3f, 0.3f, 0, 0, 0, 0.996f},
    {"precise", 0.3f, 0.3f, 0, 0, 0, 0.996f},
    {"mechanical", 0, 0, 0, 0, 0, 0.996f},
    {"greedy", 0, 0, 0, 0, 0, 0.996f},
    {"raven", 1.2f, 0.5f, 0, 0.4f, 0.4f, 0.996f},
    {"world", 1.0f, 0.2f, 0, 0.4f, 0.4f, 0.996f},
    {"pip", 1.0f, 0.85f, 0, 0.2f, 0.2f, 0.996f},
    {"runner", 1.0f, 0.3f, 0, 0, 1.0f, 0.996f},
    {"lightning", 1.0f, 0.6f, 50, 2.0f, 0.2f, 0.996f},
    {"lightning-openai", 1.0f, 0.6f, 20, 1.0f, 0.1f, 0.996f},
    {"ollama", 1.0f, 0.5f, 0, 0, 0, 0.996f},
    {"music", 1.0f, 0.8f, 8, 0, 0.5f, 0.997f},
    {"midi", 1.0f, 0.8f, 8, 0, 0.5f, 0.997f},
    {"abc", 1.0f, 0.8f, 8, 0, 0, 0.996f},
    {"plain", 1.0f, 1.0f, 0, 0, 0, 0.996f},
};

TEST(presets, values) {
  EXPECT_EQ(presets().size(), std::size(kRows));
  for (const Row& row : kRows) {
    const Preset* preset = find_preset(row.name);
    ASSERT_NE(preset, nullptr) << row.name;
    const SamplerParams& p = preset->params;
    EXPECT_EQ(p.temperature, row.temperature) << row.name;
    EXPECT_EQ(p.top_p, row.top_p) << row.name;
    EXPECT_EQ(p.top_k, row.top_k) << row.name;
    EXPECT_EQ(p.presence_penalty, row.presence) << row.name;
    EXPECT_EQ(p.frequency_penalty, row.frequency) << row.name;
    EXPECT_EQ(p.penalty_decay, row.decay) << row.name;
    const bool rapid = std::string_view(row.name).starts_with("lightning");
    EXPECT_EQ(p.penalty_mode, rapid ? PenaltyMode::kRapid : PenaltyMode::kRwkv) << row.name;
    EXPECT_EQ(p.temperature_order,
              rapid ? TemperatureOrder::kBeforeFilters : TemperatureOrder::kAfterFilters);
    EXPECT_EQ(p.repeat_penalty, std::string_view(row.name) == "ollama" ? 1.2f : 1.0f);
  }
}

TEST(presets, are_valid_named_once_and_described) {
  std::set<std::string_view> names;
  for (const Preset& preset : presets()) {
    EXPECT_NO_THROW(validate(preset.params)) << preset.name;
    EXPECT_TRUE(names.insert(preset.name).second) << preset.name;
    EXPECT_FALSE(preset.about.empty()) << preset.name;
    EXPECT_EQ(find_preset(preset.name), &preset);
  }
}

TEST(presets, unknown_names_give_nothing) {
  EXPECT_EQ(find_preset("Chat"), nullptr);
  EXPECT_EQ(find_preset(""), nullptr);
}

}  // namespace
}  // namespace rwkv::presets_test
