// The sentence for every option out of range, and what is just inside.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "sampling/sampler.h"

namespace rwkv::validate_test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::string sentence_for(const SamplerParams& params) {
  try {
    validate(params);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kArgument);
    return error.sentence();
  }
  return "fine";
}

// The sentence when `value` is put into one member.
template <typename T, typename V>
std::string with(T SamplerParams::*member, V value) {
  SamplerParams params;
  params.*member = static_cast<T>(value);
  return sentence_for(params);
}

using P = SamplerParams;

TEST(validate, filters) {
  EXPECT_EQ(sentence_for({}), "fine");
  EXPECT_EQ(with(&P::temperature, -1), "temperature is -1, expected a number of at least 0");
  EXPECT_EQ(with(&P::temperature, NAN), "temperature is nan, expected a number of at least 0");
  EXPECT_EQ(with(&P::temperature, kInf), "temperature is inf, expected a number of at least 0");
  EXPECT_EQ(with(&P::temperature, 0), "fine");
  EXPECT_EQ(with(&P::top_k, -2), "top_k is -2, expected a number of at least -1");
  EXPECT_EQ(with(&P::top_k, -1), "fine");
  EXPECT_EQ(with(&P::top_p, 1.5), "top_p is 1.5, expected 0 to 1");
  EXPECT_EQ(with(&P::top_p, NAN), "top_p is nan, expected 0 to 1");
  EXPECT_EQ(with(&P::min_p, -0.5), "min_p is -0.5, expected 0 to 1");
  EXPECT_EQ(with(&P::typical_p, 2), "typical_p is 2, expected 0 to 1");
  EXPECT_EQ(with(&P::top_n_sigma, kInf), "top_n_sigma is inf, expected a finite number");
  EXPECT_EQ(with(&P::xtc_probability, 3), "xtc_probability is 3, expected 0 to 1");
  EXPECT_EQ(with(&P::xtc_threshold, -1), "xtc_threshold is -1, expected 0 to 1");
  EXPECT_EQ(with(&P::mirostat, 1), "mirostat is 1, expected 0 (off) or 2");
  EXPECT_EQ(with(&P::mirostat_tau, -1), "mirostat_tau is -1, expected a number of at least 0");
  EXPECT_EQ(with(&P::mirostat_eta, NAN), "mirostat_eta is nan, expected a number of at least 0");
  EXPECT_EQ(with(&P::temperature_order, 7), "temperature_order is 7, expected 0 to 1");
}

TEST(validate, penalties) {
  EXPECT_EQ(with(&P::penalty_mode, -1), "penalty_mode is -1, expected 0 to 3");
  EXPECT_EQ(with(&P::presence_penalty, NAN), "presence_penalty is nan, expected a finite number");
  EXPECT_EQ(with(&P::presence_penalty, -2), "fine");
  EXPECT_EQ(with(&P::frequency_penalty, kInf),
            "frequency_penalty is inf, expected a finite number");
  EXPECT_EQ(with(&P::penalty_decay, 1.25), "penalty_decay is 1.25, expected 0 to 1");
  EXPECT_EQ(with(&P::repeat_penalty, 0), "repeat_penalty is 0, expected a number above 0");
  EXPECT_EQ(with(&P::repeat_last_n, -2), "repeat_last_n is -2, expected a number of at least -1");
  EXPECT_EQ(with(&P::dry_multiplier, -1), "dry_multiplier is -1, expected a number of at least 0");
  EXPECT_EQ(with(&P::dry_base, 0.5), "dry_base is 0.5, expected a number of at least 1");
  EXPECT_EQ(with(&P::dry_allowed_length, -1),
            "dry_allowed_length is -1, expected a number of at least 1");
  EXPECT_EQ(with(&P::dry_penalty_last_n, -2),
            "dry_penalty_last_n is -2, expected a number of at least -1");
}

TEST(validate, lists) {
  P params;
  params.dry_breakers = {{1}, {}};
  EXPECT_EQ(sentence_for(params), "dry_breakers: entry 1 is empty, expected one token or more");
  params.dry_breakers = {{1, -4}};
  EXPECT_EQ(sentence_for(params), "dry_breakers: token -4 is negative");
  params = {};
  params.logit_bias = {{3, -kInf}, {4, NAN}};
  EXPECT_EQ(sentence_for(params), "logit_bias: token 4 has nan, expected a finite number or -inf");
  params.logit_bias = {{4, kInf}};
  EXPECT_EQ(sentence_for(params), "logit_bias: token 4 has inf, expected a finite number or -inf");
  params.logit_bias = {{-4, 0.0f}};
  EXPECT_EQ(sentence_for(params), "logit_bias: token -4 is negative");
  params = {};
  params.penalty_exempt = {-1};
  EXPECT_EQ(sentence_for(params), "penalty_exempt: token -1 is negative");
}

TEST(validate, names_the_first_of_several) {
  P params;
  params.dry_base = 0;
  params.top_p = -1;
  EXPECT_EQ(sentence_for(params), "top_p is -1, expected 0 to 1");
}

}  // namespace
}  // namespace rwkv::validate_test
