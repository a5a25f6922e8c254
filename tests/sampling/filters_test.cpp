// Every filter against a plain oracle: sort everything, in double, and walk.
#include "sampling/filters.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "base/exp_down.h"

namespace rwkv::filters_test {
namespace {

using Tokens = std::vector<int32_t>;

Candidates candidates_of(const std::vector<float>& logits) {
  Candidates all;
  all.assign(logits);
  all.weigh();
  return all;
}

const Tokens& tokens_of(const Candidates& candidates) { return candidates.token; }

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

TEST(filters, top_p_finds_its_end_among_logits_of_every_shape) {
  const size_t n = 20000;
  std::mt19937 random(5);
  const std::pair<const char*, std::function<float(size_t)>> shapes[] = {
      {"all equal", [](size_t) { return 1.5f; }},
      {"one far above equal ones", [](size_t i) { return i == 777 ? 90.0f : 0.0f; }},
      {"few values", [&](size_t) { return static_cast<float>(random() % 3); }},
      {"zeros of both signs", [](size_t i) { return i < 700 ? -0.0f : 0.0f; }},
      {"whole numbers, of both signs", [&](size_t i) {
         const float x = std::round(std::normal_distribution<float>(0, 1)(random));
         return x == 0 && i % 3 == 0 ? -0.0f : x;
       }},
      {"a slope within a slope", [](size_t i) { return -std::pow(2.0f, -static_cast<float>(i % 120)); }},
      {"normal", [&](size_t) { return std::normal_distribution<float>(0, 2)(random); }},
      {"as wide as floats go", [&](size_t i) { return (i % 2 ? 1.0f : -1.0f) * std::pow(10.0f, static_cast<float>(random() % 38)); }}};
  for (const auto& [name, shape] : shapes) {
    std::vector<float> logits(n);
    for (size_t i = 0; i < n; ++i) logits[i] = shape(i);
    for (const double mass : {0.05003, 0.51003, 0.97003}) {
      Oracle oracle(logits);
      const size_t end = oracle.prefix(oracle.order, mass);
      FilterScratch scratch;
      auto got = candidates_of(logits);
      keep_top_p(got, mass, Ties::kCut, scratch);
      EXPECT_EQ(tokens_of(got).size(), end) << name << ", " << mass;
      EXPECT_EQ(tokens_of(got), oracle.first(end)) << name << ", " << mass;
    }
  }
}

TEST(candidates, weights_are_the_softmax_to_fourteen_digits) {
  std::vector<float> logits;
  for (int i = 0; i <= 7100; ++i) logits.push_back(-0.1f * static_cast<float>(i));  // beyond what a double's exponent holds
  const auto all = candidates_of(logits);
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double want = std::exp(static_cast<double>(logits[i]));
    total += want;
    if (logits[i] > -708) EXPECT_NEAR(all.weight[i] / want, 1, 1e-14) << logits[i];
    else EXPECT_LE(all.weight[i], 1e-307);
  }
  EXPECT_NEAR(all.total / total, 1, 1e-14);
  EXPECT_NEAR(all.surprise(10), 1 + std::log(total), 1e-6);
}

TEST(candidates, exp_down_gives_one_for_zero_and_the_same_bits_at_every_place) {
  const std::vector<double> once = {0, -0.5, -700.25};
  std::vector<double> many;  // vectors and what is left over
  for (int i = 0; i < 7; ++i) many.insert(many.end(), once.begin(), once.end());
  std::vector<double> single;
  for (double x : once) {
    exp_down({&x, 1});
    single.push_back(x);
  }
  EXPECT_EQ(single[0], 1.0);
  exp_down(many);
  for (size_t i = 0; i < many.size(); ++i) EXPECT_EQ(many[i], single[i % 3]) << i;
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
  got.weigh();
  double sum = 0;
  for (const double p : oracle.p) sum += std::pow(p, 1 / 0.7);
  for (size_t i = 0; i < got.size(); ++i)  // logits are floats: 2^-24 of up to 14
    EXPECT_NEAR(got.weight[i] / got.total, std::pow(oracle.p[got.token[i]], 1 / 0.7) / sum, 1e-6);
  apply_temperature(got, 1e-38f);
  got.weigh();
  EXPECT_EQ(got.weight.back() / got.total, 1.0);
}

TEST(filters, draw_hits_by_weight_and_never_weight_zero) {
  Candidates some;
  some.assign(std::vector<float>(5));
  some.weight = {0, 0.25, 0, 0.75, 0};
  some.total = 1;
  EXPECT_EQ(draw(some, 0.0), 1u);
  EXPECT_EQ(draw(some, 0.2499), 1u);
  EXPECT_EQ(draw(some, 0.25), 3u);
  EXPECT_EQ(draw(some, std::nextafter(1.0, 0.0)), 3u);
}

}  // namespace
}  // namespace rwkv::filters_test
