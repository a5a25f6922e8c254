// DRY by hand and against an oracle that compares every place with the end, token by token.
#include "sampling/dry.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace rwkv::dry_test {
namespace {

using Tokens = std::vector<int32_t>;

SamplerParams dry_params(int allowed_length) {
  SamplerParams params;
  params.dry_multiplier = 1;
  params.dry_base = 2;
  params.dry_allowed_length = allowed_length;
  return params;
}

std::vector<float> penalties_of(const SamplerParams& params, const Tokens& text, size_t n_vocab) {
  DryPenalty dry(params);
  for (const int32_t token : text) dry.accept(token);
  std::vector<float> logits(n_vocab, 0);
  dry.apply(logits);
  for (float& x : logits) x = 0 - x;
  return logits;
}

TEST(dry, lowers_the_token_that_would_go_on_with_the_repeat) {
  // "1 2 3 4 1 2 3": the end repeats 3 tokens, 4 would be the next: 2^(3 - 2).
  EXPECT_EQ(penalties_of(dry_params(2), {1, 2, 3, 4, 1, 2, 3}, 5),
            (std::vector<float>{0, 0, 0, 0, 2}));
  EXPECT_EQ(penalties_of(dry_params(3), {1, 2, 3, 4, 1, 2, 3}, 5),
            (std::vector<float>{0, 0, 0, 0, 1}));
  EXPECT_EQ(penalties_of(dry_params(4), {1, 2, 3, 4, 1, 2, 3}, 5),
            (std::vector<float>{0, 0, 0, 0, 0}));
}

TEST(dry, breakers_end_a_repeat_and_are_not_lowered) {
  auto params = dry_params(1);
  params.dry_breakers = {{2}};  // only "3" is left after the breaker
  EXPECT_EQ(penalties_of(params, {1, 2, 3, 4, 1, 2, 3}, 5), (std::vector<float>{0, 0, 0, 0, 1}));
  params.dry_breakers = {{4}};  // 4 is itself a breaker
  EXPECT_EQ(penalties_of(params, {1, 2, 3, 4, 1, 2, 3}, 5), (std::vector<float>{0, 0, 0, 0, 0}));
  params.dry_breakers = {{1, 2}, {9, 2}};
  EXPECT_EQ(penalties_of(params, {1, 2, 3, 4, 1, 2, 3}, 5), (std::vector<float>{0, 0, 0, 0, 1}));
  params.dry_breakers = {{1, 3}, {4, 9}};  // occur nowhere
  EXPECT_EQ(penalties_of(params, {1, 2, 3, 4, 1, 2, 3}, 5), (std::vector<float>{0, 0, 0, 0, 4}));
}

TEST(dry, window_and_switches) {
  auto params = dry_params(2);
  params.dry_penalty_last_n = 6;  // the first 1 is out of sight: the repeat is "2 3"
  EXPECT_EQ(penalties_of(params, {1, 2, 3, 4, 1, 2, 3}, 5), (std::vector<float>{0, 0, 0, 0, 1}));
  params.dry_penalty_last_n = 0;
  EXPECT_EQ(penalties_of(params, {1, 2, 3, 4, 1, 2, 3}, 5), (std::vector<float>(5, 0)));
  params = dry_params(2);
  params.dry_multiplier = 0;
  EXPECT_EQ(penalties_of(params, {1, 2, 3, 4, 1, 2, 3}, 5), (std::vector<float>(5, 0)));
}

TEST(dry, an_endless_repeat_stays_finite) {
  const auto got = penalties_of(dry_params(2), Tokens(1000, 0), 2);
  EXPECT_EQ(got[0], std::numeric_limits<float>::max());
  EXPECT_EQ(got[1], 0);
}

RC_GTEST_PROP(dry, agrees_with_oracle, ()) {
  const int n_vocab = 4;
  const auto token = rc::gen::inRange<int32_t>(0, n_vocab);
  const auto text = *rc::gen::container<Tokens>(token);
  auto params = dry_params(*rc::gen::inRange(0, 4));
  const auto breakers = *rc::gen::container<std::vector<Tokens>>(
      rc::gen::nonEmpty(rc::gen::container<Tokens>(token)));
  params.dry_breakers = breakers;

  const size_t n = text.size();
  size_t limit = n;  // tokens after the breaker with the latest head, the longest of those
  for (size_t head = n; head-- > 0 && limit == n;)
    for (const Tokens& b : breakers)
      if (head + b.size() <= n && std::equal(b.begin(), b.end(), text.begin() + head))
        limit = std::min(limit, n - head - b.size());

  std::vector<int> longest(n_vocab, -1);
  for (size_t next = 1; next < n; ++next) {
    size_t length = 0;
    while (length < next && text[next - 1 - length] == text[n - 1 - length]) ++length;
    length = std::min(length, limit);
    if (length >= static_cast<size_t>(params.dry_allowed_length))
      longest[text[next]] = std::max(longest[text[next]], static_cast<int>(length));
  }
  const auto got = penalties_of(params, text, n_vocab);
  for (int t = 0; t < n_vocab; ++t) {
    const bool breaker = std::find(breakers.begin(), breakers.end(), Tokens{t}) != breakers.end();
    const double want =
        breaker || longest[t] < 0 ? 0 : std::pow(2.0, longest[t] - params.dry_allowed_length);
    RC_ASSERT(got[t] == static_cast<float>(std::min(want, 3.4028234663852886e38)));
  }
}

}  // namespace
}  // namespace rwkv::dry_test
