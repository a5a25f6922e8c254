// The filters of filters.h. None sorts the whole vocabulary: a filter finds the last candidate that
// stays and then drops the rest in one pass that keeps token order.
#include "sampling/filters.h"

#include <algorithm>
#include <cmath>

namespace rwkv {
namespace {

using Ranked = FilterScratch::Ranked;

bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

const Candidate& best_ranked(const Candidates& candidates) {
  return *std::min_element(candidates.begin(), candidates.end(), ranks_before);
}

template <typename Condition>
void keep_if(Candidates& candidates, Condition condition) {
  std::erase_if(candidates, [&](const Candidate& c) { return !condition(c); });
}

// The number of leading entries, once sorted, up to and including the one where `reached(mass so
// far)` first holds; all of them if it never does. Sorts as far as it must and no further.
template <typename Reached>
size_t sort_until(std::vector<Ranked>& ranked, Reached reached) {
  const auto before = [](const Ranked& a, const Ranked& b) {
    return a.key != b.key ? a.key < b.key : a.token < b.token;
  };
  double mass = 0;
  size_t n_sorted = 0;
  size_t chunk = 128;  // most nuclei are smaller; each further chunk is four times larger
  for (size_t i = 0; i < ranked.size(); ++i) {
    if (i == n_sorted) {
      n_sorted = std::min(ranked.size(), n_sorted + chunk);
      chunk *= 4;
      std::partial_sort(ranked.begin() + i, ranked.begin() + n_sorted, ranked.end(), before);
    }
    mass += ranked[i].p;
    if (reached(mass)) return i + 1;
  }
  return ranked.size();
}

}  // namespace

void normalise(Candidates& candidates) {
  const double largest = best_ranked(candidates).logit;
  double sum = 0;
  for (Candidate& c : candidates) sum += c.p = std::exp(c.logit - largest);
  for (Candidate& c : candidates) c.p /= sum;
}

void apply_temperature(Candidates& candidates, float temperature) {
  const double largest = best_ranked(candidates).logit;
  // A tiny temperature sends all but the best towards minus infinity; the floor keeps them finite.
  constexpr double kFloor = -1e30;
  for (Candidate& c : candidates)
    c.logit = static_cast<float>(std::max(kFloor, (c.logit - largest) / temperature));
}

void keep_top_k(Candidates& candidates, size_t k, FilterScratch& scratch) {
  if (k >= candidates.size()) return;
  scratch.best.resize(k);
  std::partial_sort_copy(candidates.begin(), candidates.end(), scratch.best.begin(),
                         scratch.best.end(), ranks_before);
  const Candidate last = scratch.best.back();
  keep_if(candidates, [&](const Candidate& c) { return !ranks_before(last, c); });
}

void keep_top_p(Candidates& candidates, double mass, Ties ties, FilterScratch& scratch) {
  // All candidates below (1 - mass) / n together hold less than 1 - mass, so the prefix never needs
  // them. Half of that leaves room for rounding.
  const double floor = 0.5 * (1 - mass) / static_cast<double>(candidates.size());
  scratch.ranked.clear();
  for (const Candidate& c : candidates)
    if (c.p >= floor) scratch.ranked.push_back({-static_cast<double>(c.logit), c.p, c.token});
  const size_t n = sort_until(scratch.ranked, [&](double sum) { return sum >= mass; });

  const Ranked& end = scratch.ranked[n - 1];
  const Candidate last{end.token, static_cast<float>(-end.key), end.p};
  keep_if(candidates, [&](const Candidate& c) {
    return ties == Ties::kKeep ? c.logit >= last.logit : !ranks_before(last, c);
  });
}

void keep_min_p(Candidates& candidates, double min_p) {
  const double limit = min_p * best_ranked(candidates).p;
  keep_if(candidates, [&](const Candidate& c) { return c.p >= limit; });
}

void keep_typical(Candidates& candidates, double mass, FilterScratch& scratch) {
  double entropy = 0;
  for (const Candidate& c : candidates)
    if (c.p > 0) entropy -= c.p * std::log(c.p);
  scratch.ranked.clear();
  for (const Candidate& c : candidates)
    if (c.p > 0)
      scratch.ranked.push_back({std::abs(-std::log(c.p) - entropy), c.p, c.token});
  const size_t n = sort_until(scratch.ranked, [&](double sum) { return sum > mass; });

  const auto kept_end = scratch.ranked.begin() + n;
  std::sort(scratch.ranked.begin(), kept_end,
            [](const Ranked& a, const Ranked& b) { return a.token < b.token; });
  auto kept = scratch.ranked.begin();
  keep_if(candidates, [&](const Candidate& c) {  // both lists ascend by token
    if (kept == kept_end || kept->token != c.token) return false;
    ++kept;
    return true;
  });
}

void keep_top_n_sigma(Candidates& candidates, double n_sigma) {
  const double n = static_cast<double>(candidates.size());
  double mean = 0, variance = 0;
  for (const Candidate& c : candidates) mean += c.logit / n;
  for (const Candidate& c : candidates) variance += (c.logit - mean) * (c.logit - mean) / n;
  const double limit = best_ranked(candidates).logit - n_sigma * std::sqrt(variance);
  keep_if(candidates, [&](const Candidate& c) { return c.logit >= limit; });
}

void exclude_top_choices(Candidates& candidates, double threshold) {
  const Candidate* last = nullptr;
  for (const Candidate& c : candidates)
    if (c.p >= threshold && (last == nullptr || ranks_before(*last, c))) last = &c;
  if (last == nullptr) return;
  const Candidate stays = *last;
  keep_if(candidates, [&](const Candidate& c) { return !ranks_before(c, stays); });
}

void keep_unsurprising(Candidates& candidates, double limit) {
  const Candidate best = best_ranked(candidates);
  keep_if(candidates,
          [&](const Candidate& c) { return c.token == best.token || -std::log2(c.p) <= limit; });
}

size_t draw(const Candidates& candidates, double u) {
  double sum = 0;
  for (const Candidate& c : candidates) sum += c.p;
  const double target = u * sum;
  double below = 0;
  size_t last_possible = 0;  // rounding may leave the target at the very end
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].p == 0) continue;
    below += candidates[i].p;
    last_possible = i;
    if (below > target) break;
  }
  return last_possible;
}

}  // namespace rwkv
