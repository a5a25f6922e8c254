// Penalties against sequences worked out by hand, and the bounds on what they remember.
#include "sampling/penalties.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

namespace rwkv::penalties_test {
namespace {

constexpr auto kGenerated = Sampler::Origin::kGenerated;
constexpr auto kPrompt = Sampler::Origin::kPrompt;
constexpr float kInf = std::numeric_limits<float>::infinity();

SamplerParams params_of(PenaltyMode mode) {
  SamplerParams params;
  params.penalty_mode = mode;
  params.presence_penalty = 1;
  params.frequency_penalty = 0.25f;
  params.penalty_decay = 0.5f;
  return params;
}

// What is subtracted from the logits of tokens 0..3.
std::vector<float> penalties_of(const OccurrencePenalty& penalty) {
  std::vector<float> logits(4, 0);
  penalty.apply(logits);
  for (float& x : logits) x = 0 - x;
  return logits;
}
using Four = std::vector<float>;

TEST(penalties, rwkv_decays_frequency_and_keeps_presence) {
  OccurrencePenalty penalty(params_of(PenaltyMode::kRwkv));
  penalty.accept(3, kPrompt);  // does not count
  EXPECT_EQ(penalties_of(penalty), (Four{0, 0, 0, 0}));
  penalty.accept(1, kGenerated);  // c1 = 1
  EXPECT_EQ(penalties_of(penalty), (Four{0, 1.25f, 0, 0}));
  penalty.accept(2, kGenerated);  // c1 = 0.5, c2 = 1
  EXPECT_EQ(penalties_of(penalty), (Four{0, 1.125f, 1.25f, 0}));
  penalty.accept(1, kGenerated);  // c1 = 1.25, c2 = 0.5
  EXPECT_EQ(penalties_of(penalty), (Four{0, 1.3125f, 1.125f, 0}));
  penalty.reset();
  EXPECT_EQ(penalties_of(penalty), (Four{0, 0, 0, 0}));
}

// rwkv_lightning's kernel: p = p == 0 ? presence : p + frequency, where p first decays.
TEST(penalties, rapid_knows_a_token_by_its_penalty) {
  auto params = params_of(PenaltyMode::kRapid);
  params.presence_penalty = 0;
  OccurrencePenalty never(params);
  for (int i = 0; i < 4; ++i) never.accept(1, kGenerated);
  EXPECT_EQ(penalties_of(never), (Four{0, 0, 0, 0}));
  params.presence_penalty = 1;
  params.penalty_decay = 0;
  OccurrencePenalty forgets(params);
  for (int i = 0; i < 4; ++i) forgets.accept(1, kGenerated);
  EXPECT_EQ(penalties_of(forgets), (Four{0, 1, 0, 0}));
}

TEST(penalties, rwkv_exempt_tokens_get_presence_alone) {
  auto params = params_of(PenaltyMode::kRwkv);
  params.penalty_exempt = {3, 1};
  OccurrencePenalty penalty(params);
  for (const int32_t token : {1, 1, 3, 2}) penalty.accept(token, kGenerated);
  EXPECT_EQ(penalties_of(penalty), (Four{0, 1, 1.25f, 1}));
}

TEST(penalties, ai00_counts_the_prompt_and_decays_presence) {
  OccurrencePenalty penalty(params_of(PenaltyMode::kAi00));
  for (const int32_t token : {1, 2, 1}) penalty.accept(token, kPrompt);
  // Token 1 at distances 2 and 0: 1 + 0.25 * (0.25 + 1); token 2 at distance 1: 1 + 0.25 * 0.5.
  EXPECT_EQ(penalties_of(penalty), (Four{0, 1.3125f, 1.125f, 0}));
  penalty.accept(0, kGenerated);  // all halve; a new token gets presence alone
  EXPECT_EQ(penalties_of(penalty), (Four{1, 0.65625f, 0.5625f, 0}));
  penalty.accept(0, kGenerated);  // all halve; a known one gets frequency
  EXPECT_EQ(penalties_of(penalty), (Four{0.75f, 0.328125f, 0.28125f, 0}));
}

TEST(penalties, ai00_prompt_after_an_answer_restores_presence) {
  OccurrencePenalty penalty(params_of(PenaltyMode::kAi00));
  for (const int32_t token : {1, 2, 2}) penalty.accept(token, kGenerated);
  // Token 1: presence 1 / 4. Token 2: presence 1 / 2 + frequency 0.25.
  EXPECT_EQ(penalties_of(penalty), (Four{0, 0.25f, 0.75f, 0}));
  penalty.accept(1, kPrompt);  // the next turn: presence is whole again, only frequency decays
  EXPECT_EQ(penalties_of(penalty), (Four{0, 1.25f, 0.625f, 0}));
}

TEST(penalties, rapid_is_ai00_without_the_prompt) {
  OccurrencePenalty penalty(params_of(PenaltyMode::kRapid));
  penalty.accept(1, kPrompt);
  EXPECT_EQ(penalties_of(penalty), (Four{0, 0, 0, 0}));
  for (const int32_t token : {0, 2, 0}) penalty.accept(token, kGenerated);
  EXPECT_EQ(penalties_of(penalty), (Four{0.5f, 0, 0.5f, 0}));  // 1 / 4 + 0.25, 1 / 2
}

TEST(penalties, openai_is_flat) {
  auto params = params_of(PenaltyMode::kOpenAi);
  params.penalty_exempt = {1};  // means nothing here
  OccurrencePenalty penalty(params);
  penalty.accept(3, kPrompt);
  for (const int32_t token : {1, 2, 1, 1}) penalty.accept(token, kGenerated);
  EXPECT_EQ(penalties_of(penalty), (Four{0, 1.75f, 1.25f, 0}));
}

TEST(penalties, decay_of_zero_remembers_the_last_token_alone) {
  auto params = params_of(PenaltyMode::kRwkv);
  params.presence_penalty = 0;
  params.penalty_decay = 0;
  OccurrencePenalty penalty(params);
  for (const int32_t token : {1, 1, 2}) penalty.accept(token, kGenerated);
  EXPECT_EQ(penalties_of(penalty), (Four{0, 0, 0.25f, 0}));
  EXPECT_EQ(penalty.n_seen(), 1u);
}

// The scales are an implementation detail; plain repeated multiplication is the definition.
RC_GTEST_PROP(penalties, long_runs_agree_with_plain_counts, ()) {
  auto params = params_of(*rc::gen::element(PenaltyMode::kRwkv, PenaltyMode::kRapid));
  params.penalty_decay = static_cast<float>(*rc::gen::inRange(1, 101)) / 100;
  params.presence_penalty = static_cast<float>(*rc::gen::inRange(-2, 3)) / 2;
  const bool rapid = params.penalty_mode == PenaltyMode::kRapid;
  const double presence = params.presence_penalty, frequency = params.frequency_penalty;
  const double decay = params.penalty_decay;
  OccurrencePenalty penalty(params);
  std::vector<double> count(4), whole(4);
  std::vector<bool> seen(4);
  for (const int token : *rc::gen::container<std::vector<int>>(300, rc::gen::inRange(0, 4))) {
    penalty.accept(token, kGenerated);
    for (double& c : count) c *= decay;
    for (double& w : whole) w *= decay;
    count[token] += 1;
    whole[token] += whole[token] == 0 ? presence : frequency;
    seen[token] = true;
  }
  const auto got = penalties_of(penalty);
  for (size_t i = 0; i < 4; ++i) {
    const double want = rapid ? whole[i] : (seen[i] ? presence : 0.0) + frequency * count[i];
    RC_ASSERT(std::abs(got[i] - want) <= 1e-5);  // floats of up to 25 * 2^-24, forgotten below 1e-9
  }
}

TEST(penalties, faded_counts_are_forgotten_only_without_presence) {
  for (const float presence : {0.0f, 0.5f}) {
    auto params = params_of(PenaltyMode::kRwkv);
    params.presence_penalty = presence;
    params.penalty_decay = 0.9f;
    OccurrencePenalty penalty(params);
    for (int32_t token = 0; token < 50000; ++token) penalty.accept(token, kGenerated);
    if (presence == 0)
      EXPECT_LT(penalty.n_seen(), 1000u);
    else
      EXPECT_EQ(penalty.n_seen(), 50000u);
  }
}

TEST(penalties, nothing_is_kept_when_switched_off) {
  OccurrencePenalty penalty(SamplerParams{});
  for (int32_t token = 0; token < 100; ++token) penalty.accept(token, kGenerated);
  EXPECT_EQ(penalty.n_seen(), 0u);
}

TEST(penalties, shift_keeps_bans_and_stays_finite) {
  float logit = -kInf;
  shift_logit(logit, 1e30);
  EXPECT_EQ(logit, -kInf);
  logit = 1;
  shift_logit(logit, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(logit, std::numeric_limits<float>::lowest());
}

TEST(penalties, repeat_divides_positive_and_multiplies_negative) {
  SamplerParams params;
  params.repeat_penalty = 2;
  params.repeat_last_n = 3;
  RepeatPenalty penalty(params);
  for (const int32_t token : {0, 1, 1, 2}) penalty.accept(token);  // 0 has left the window
  std::vector<float> logits = {3, 3, -3, 3};
  penalty.apply(logits);
  EXPECT_EQ(logits, (std::vector<float>{3, 1.5f, -6, 3}));
  penalty.accept(3);  // one 1 leaves, the other stays
  logits = {4, 4, 4, -kInf};
  penalty.apply(logits);
  EXPECT_EQ(logits, (std::vector<float>{4, 2, 2, -kInf}));
  penalty.accept(3);
  logits = {4, 4, 4, 4};
  penalty.apply(logits);
  EXPECT_EQ(logits, (std::vector<float>{4, 4, 2, 2}));
  penalty.reset();
  logits = {4, 4, 4, 4};
  penalty.apply(logits);
  EXPECT_EQ(logits, (std::vector<float>{4, 4, 4, 4}));
}

TEST(penalties, repeat_window_zero_is_off_and_minus_one_is_bounded) {
  SamplerParams params;
  params.repeat_penalty = 2;
  params.repeat_last_n = 0;
  RepeatPenalty off(params);
  off.accept(0);
  std::vector<float> logits = {4};
  off.apply(logits);
  EXPECT_EQ(logits[0], 4);

  params.repeat_last_n = -1;
  RepeatPenalty all(params);
  all.accept(0);
  for (int i = 1; i < kMaxWindow; ++i) all.accept(1);
  logits = {4, 4};
  all.apply(logits);
  EXPECT_EQ(logits, (std::vector<float>{2, 2}));
  all.accept(1);
  logits = {4, 4};
  all.apply(logits);
  EXPECT_EQ(logits, (std::vector<float>{4, 2}));
}

RC_GTEST_PROP(penalties, window_holds_the_last_tokens_newest_first, ()) {
  const auto tokens = *rc::gen::container<std::vector<int32_t>>(rc::gen::inRange(0, 9));
  const auto capacity = *rc::gen::inRange(0, 12);
  Window window(capacity);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto dropped = window.push(tokens[i]);
    RC_ASSERT(dropped.has_value() == (i >= static_cast<size_t>(capacity)));
    if (dropped) RC_ASSERT(*dropped == tokens[i - capacity]);
  }
  std::vector<int32_t> got, want;
  window.copy_reversed(got);
  for (size_t i = 0; i < std::min<size_t>(tokens.size(), capacity); ++i)
    want.push_back(tokens[tokens.size() - 1 - i]);
  RC_ASSERT(got == want);
}

}  // namespace
}  // namespace rwkv::penalties_test
