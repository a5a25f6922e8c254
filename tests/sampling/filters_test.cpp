// Every filter against a plain oracle: sort everything, in double, and walk.
#include "sampling/filters.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rwkv::filters_test {
namespace {

using Tokens = std::vector<int32_t>;

Candidates candidates_of(const std::vector<float>& logits) {
  Candidates all;
  for (size_t i = 0; i < logits.size(); ++i) all.push_back({static_cast<int32_t>(i), logits[i], 0});
  normalise(all);
  return all;
}

Tokens tokens_of(const Candidates& candidates) {
  Tokens tokens;
  for (const Candidate& c : candidates) tokens.push_back(c.token);
  return tokens;
}

// The same by brute force: softmax, and token ids from likely to unlikely, lower id first at ties.
struct Oracle {
  explicit Oracle(const std::vector<float>& l) : logits(l), p(l.size()), order(l.size()) {
    const double largest = *std::max_element(l.begin(), l.end());
    for (size_t i = 0; i < l.size(); ++i) p[i] = std::exp(l[i] - largest);
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& x : p) x /= sum;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  }

  // The shortest prefix of `by` whose mass reaches `mass`; `margin` is how near any sum came to it.
  size_t prefix(const Tokens& by, double mass) {
    double sum = 0;
    margin = 1;
    size_t n = by.size();
    for (size_t i = 0; i < by.size(); ++i) {
      sum += p[by[i]];
      margin = std::min(margin, std::abs(sum - mass));
      if (sum >= mass) n = std::min(n, i + 1);
    }
    return n;
  }

  Tokens first(size_t n) const { return sorted({order.begin(), order.begin() + n}); }
  static Tokens sorted(Tokens tokens) {
    std::sort(tokens.begin(), tokens.end());
    return tokens;
  }

  std::vector<float> logits;
  std::vector<double> p;
  Tokens order;
  double margin = 1;
};

// Logits in steps of 1/4 make ties common. Sizes go past the first sorted chunk.
std::vector<float> some_logits() {
  const auto n = *rc::gen::inRange<size_t>(1, 400);
  const auto spread = *rc::gen::inRange(1, 60);
  auto logits = *rc::gen::container<std::vector<float>>(
      n, rc::gen::map(rc::gen::inRange(-spread, spread + 1),
                      [](int x) { return static_cast<float>(x) / 4; }));
  return logits;
}

double some_fraction() { return *rc::gen::inRange(1, 1000) / 1000.0; }

RC_GTEST_PROP(filters, top_k_agrees_with_oracle, ()) {
  const auto logits = some_logits();
  const auto k = *rc::gen::inRange<size_t>(1, 450);
  auto got = candidates_of(logits);
  FilterScratch scratch;
  keep_top_k(got, k, scratch);
  RC_ASSERT(tokens_of(got) == Oracle(logits).first(std::min(k, logits.size())));
}

RC_GTEST_PROP(filters, top_p_agrees_with_oracle, ()) {
  const auto logits = some_logits();
  const double mass = some_fraction();
  Oracle oracle(logits);
  const size_t n = oracle.prefix(oracle.order, mass);
  RC_PRE(oracle.margin > 1e-9);  // rounding may decide otherwise on the very border
  FilterScratch scratch;
  auto got = candidates_of(logits);
  keep_top_p(got, mass, Ties::kCut, scratch);
  RC_ASSERT(tokens_of(got) == oracle.first(n));

  size_t with_ties = n;
  while (with_ties < logits.size() &&
         logits[oracle.order[with_ties]] == logits[oracle.order[n - 1]])
    ++with_ties;
  got = candidates_of(logits);
  keep_top_p(got, mass, Ties::kKeep, scratch);
  RC_ASSERT(tokens_of(got) == oracle.first(with_ties));
}

TEST(filters, top_p_keeps_ties_only_when_asked) {
  const std::vector<float> logits = {0, 1, 1, 0, 1};
  FilterScratch scratch;
  auto got = candidates_of(logits);
  keep_top_p(got, 0.3, Ties::kCut, scratch);  // each 1 has 0.268
  EXPECT_EQ(tokens_of(got), (Tokens{1, 2}));
  got = candidates_of(logits);
  keep_top_p(got, 0.3, Ties::kKeep, scratch);
  EXPECT_EQ(tokens_of(got), (Tokens{1, 2, 4}));
}

TEST(filters, top_p_walks_far_into_a_flat_vocabulary) {
  std::vector<float> logits(65536);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = static_cast<float>((i * 7919) % 65536) / 65536.0f;  // a permutation: no ties
  Oracle oracle(logits);
  FilterScratch scratch;
  for (const double mass : {0.0001, 0.3, 0.9, 0.999}) {
    auto got = candidates_of(logits);
    keep_top_p(got, mass, Ties::kCut, scratch);
    EXPECT_EQ(tokens_of(got), oracle.first(oracle.prefix(oracle.order, mass))) << mass;
    EXPECT_GT(oracle.margin, 1e-12);
  }
}

RC_GTEST_PROP(filters, min_p_agrees_with_oracle, ()) {
  const auto logits = some_logits();
  const double min_p = some_fraction();
  const Oracle oracle(logits);
  Tokens want;
  for (size_t i = 0; i < logits.size(); ++i)
    if (oracle.p[i] >= min_p * oracle.p[oracle.order[0]]) want.push_back(static_cast<int32_t>(i));
  auto got = candidates_of(logits);
  keep_min_p(got, min_p);
  RC_ASSERT(tokens_of(got) == want);
}

RC_GTEST_PROP(filters, typical_agrees_with_oracle, ()) {
  const auto logits = some_logits();
  const double mass = some_fraction();
  Oracle oracle(logits);
  double entropy = 0;
  for (const double p : oracle.p) entropy -= p * std::log(p);
  std::vector<double> distance(logits.size());
  for (size_t i = 0; i < logits.size(); ++i)
    distance[i] = std::abs(-std::log(oracle.p[i]) - entropy);
  Tokens by(logits.size());
  std::iota(by.begin(), by.end(), 0);
  std::stable_sort(by.begin(), by.end(),
                   [&](int32_t a, int32_t b) { return distance[a] < distance[b]; });
  for (size_t i = 1; i < by.size(); ++i)  // two unlike tokens at one distance: rounding decides
    RC_PRE(logits[by[i]] == logits[by[i - 1]] || distance[by[i]] - distance[by[i - 1]] > 1e-9);
  const size_t n = oracle.prefix(by, mass);
  RC_PRE(oracle.margin > 1e-9);

  FilterScratch scratch;
  auto got = candidates_of(logits);
  keep_typical(got, mass, scratch);
  RC_ASSERT(tokens_of(got) == Oracle::sorted({by.begin(), by.begin() + n}));
}

TEST(filters, typical_drops_the_likeliest_when_it_is_untypical) {
  // p = 0.4 and 6 x 0.1: entropy 1.748, surprises 0.916 and 2.303; the small ones are nearer.
  std::vector<float> logits(7, std::log(0.1f));
  logits[3] = std::log(0.4f);
  FilterScratch scratch;
  auto got = candidates_of(logits);
  keep_typical(got, 0.45, scratch);
  EXPECT_EQ(tokens_of(got), (Tokens{0, 1, 2, 4, 5}));
}

TEST(filters, top_n_sigma_by_hand) {
  // Mean 4, variance (16 + 0 + 0 + 4 + 36) / 5 = 11.2, sigma 3.3466; largest 10.
  const std::vector<float> logits = {0, 4, 4, 2, 10};
  auto got = candidates_of(logits);
  keep_top_n_sigma(got, 1.79);  // limit 4.0096
  EXPECT_EQ(tokens_of(got), (Tokens{4}));
  got = candidates_of(logits);
  keep_top_n_sigma(got, 1.80);  // limit 3.976
  EXPECT_EQ(tokens_of(got), (Tokens{1, 2, 4}));
}

RC_GTEST_PROP(filters, xtc_agrees_with_oracle, ()) {
  const auto logits = some_logits();
  const double threshold = some_fraction() / 2;
  const Oracle oracle(logits);
  size_t n_above = 0;
  for (const double p : oracle.p) {
    RC_PRE(std::abs(p - threshold) > 1e-9);
    n_above += p >= threshold;
  }
  const size_t n_removed = n_above > 0 ? n_above - 1 : 0;
  auto got = candidates_of(logits);
  exclude_top_choices(got, threshold);
  RC_ASSERT(tokens_of(got) ==
            Oracle::sorted({oracle.order.begin() + n_removed, oracle.order.end()}));
}

TEST(filters, unsurprising_by_hand) {
  // p = 1/2, 1/4, 1/8, 1/8: 1, 2, 3, 3 bits.
  const std::vector<float> logits = {std::log(4.0f), std::log(2.0f), 0, 0};
  const auto kept = [&](double limit) {
    auto got = candidates_of(logits);
    keep_unsurprising(got, limit);
    return tokens_of(got);
  };
  EXPECT_EQ(kept(3.01), (Tokens{0, 1, 2, 3}));
  EXPECT_EQ(kept(2.99), (Tokens{0, 1}));
  EXPECT_EQ(kept(1.5), (Tokens{0}));
  EXPECT_EQ(kept(0.5), (Tokens{0}));
  EXPECT_EQ(kept(-7), (Tokens{0}));
}

TEST(filters, temperature_is_a_power_of_the_probability) {
  const std::vector<float> logits = {0.5f, -1, 2, 2, 7};
  const Oracle oracle(logits);
  auto got = candidates_of(logits);
  apply_temperature(got, 0.7f);
  normalise(got);
  double sum = 0;
  for (const double p : oracle.p) sum += std::pow(p, 1 / 0.7);
  for (const Candidate& c : got)  // logits are floats: 2^-24 of up to 14
    EXPECT_NEAR(c.p, std::pow(oracle.p[c.token], 1 / 0.7) / sum, 1e-6);
  apply_temperature(got, 1e-38f);
  normalise(got);
  EXPECT_EQ(got.back().p, 1.0);
}

TEST(filters, draw_hits_by_weight_and_never_weight_zero) {
  const Candidates some = {{3, 0, 0}, {5, 0, 0.25}, {6, 0, 0}, {9, 0, 0.75}, {11, 0, 0}};
  EXPECT_EQ(draw(some, 0.0), 1u);
  EXPECT_EQ(draw(some, 0.2499), 1u);
  EXPECT_EQ(draw(some, 0.25), 3u);
  EXPECT_EQ(draw(some, std::nextafter(1.0, 0.0)), 3u);
}

}  // namespace
}  // namespace rwkv::filters_test
