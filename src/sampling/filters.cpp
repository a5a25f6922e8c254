// The filters of filters.h. None sorts the whole vocabulary: a filter finds the last candidate that
// stays and then drops the rest in one pass that keeps token order.
#include "sampling/filters.h"

#include <algorithm>
#include <cmath>

namespace rwkv {
namespace {

using Ranked = FilterScratch::Ranked;

bool before(const Ranked& a, const Ranked& b) { return a.key != b.key ? a.key < b.key : a.token < b.token; }

// The last of the shortest prefix of scratch.ranked, by rank, whose mass reaches `mass` (or exceeds it); of all if none
// does. Keys are sorted into bins until the bin in question is small: a flat distribution has thousands of candidates
// before the last. scratch.ranked stays.
template <typename Reached>
Ranked last_of_prefix(FilterScratch& scratch, Reached reached) {
  constexpr size_t kFew = 128, kBins = 1024;
  std::vector<Ranked>& part = scratch.part;
  part = scratch.ranked;
  double mass = 0;  // of all that rank before `part`
  while (part.size() > kFew) {
    const auto [low, high] = std::minmax_element(part.begin(), part.end(), before);
    const double lowest = low->key, scale = (kBins - 1) / (high->key - lowest);
    if (!(scale > 0 && scale <= 1e300)) break;  // equal keys, or nearly
    const auto bin_of = [&](const Ranked& r) { return static_cast<size_t>((r.key - lowest) * scale); };
    scratch.masses.assign(kBins, 0);
    for (const Ranked& r : part) scratch.masses[bin_of(r)] += r.mass;
    size_t bin = 0;
    for (const size_t last = bin_of(*high); bin < last && !reached(mass + scratch.masses[bin]); ++bin)
      mass += scratch.masses[bin];
    std::erase_if(part, [&](const Ranked& r) { return bin_of(r) != bin; });
  }
  std::sort(part.begin(), part.end(), before);
  for (const Ranked& r : part) {
    mass += r.mass;
    if (reached(mass)) return r;
  }
  return part.back();
}

}  // namespace

void apply_temperature(Candidates& candidates, float temperature) {
  const double largest = largest_of(candidates.logit);
  // A tiny temperature sends all but the best towards minus infinity; the floor keeps them finite.
  constexpr double kFloor = -1e30;
  for (float& logit : candidates.logit) logit = static_cast<float>(std::max(kFloor, (logit - largest) / temperature));
}

void keep_top_k(Candidates& candidates, size_t k, FilterScratch& scratch) {
  if (k >= candidates.size()) return;
  const auto ranks_before = [&](size_t a, size_t b) { return candidates.ranks_before(a, b); };
  std::vector<size_t>& best = scratch.best;  // a heap, the last of them in front
  best.resize(k);
  for (size_t i = 0; i < k; ++i) best[i] = i;
  std::make_heap(best.begin(), best.end(), ranks_before);
  for (size_t i = k; i < candidates.size(); ++i) {
    if (!ranks_before(i, best.front())) continue;
    std::pop_heap(best.begin(), best.end(), ranks_before);
    best.back() = i;
    std::push_heap(best.begin(), best.end(), ranks_before);
  }
  const float last = candidates.logit[best.front()];
  const int32_t last_token = candidates.token[best.front()];
  candidates.keep_if([&](size_t i) {
    return candidates.logit[i] > last || (candidates.logit[i] == last && candidates.token[i] <= last_token);
  });
}

void keep_top_p(Candidates& candidates, double mass, Ties ties, FilterScratch& scratch) {
  // All candidates below (1 - mass) / n together hold less than 1 - mass, so the prefix never needs
  // them. Half of that leaves room for rounding.
  const double wanted = mass * candidates.total;
  const double floor = 0.5 * (candidates.total - wanted) / static_cast<double>(candidates.size());
  scratch.ranked.clear();
  for (size_t i = 0; i < candidates.size(); ++i)
    if (candidates.weight[i] >= floor)
      scratch.ranked.push_back({0.0 - candidates.logit[i], candidates.weight[i], candidates.token[i]});  // one kind of zero
  const Ranked end = last_of_prefix(scratch, [&](double sum) { return sum >= wanted; });
  const auto last = static_cast<float>(-end.key);
  candidates.keep_if([&](size_t i) {
    return candidates.logit[i] > last ||
           (candidates.logit[i] == last && (ties == Ties::kKeep || candidates.token[i] <= end.token));
  });
}

void keep_min_p(Candidates& candidates, double min_p) {
  const double limit = min_p * candidates.weight[candidates.best()];
  candidates.keep_if([&](size_t i) { return candidates.weight[i] >= limit; });
}

void keep_typical(Candidates& candidates, double mass, FilterScratch& scratch) {
  double entropy = 0;
  for (size_t i = 0; i < candidates.size(); ++i)
    if (candidates.weight[i] > 0) entropy += candidates.weight[i] / candidates.total * candidates.surprise(i);
  scratch.ranked.clear();
  for (size_t i = 0; i < candidates.size(); ++i)
    if (candidates.weight[i] > 0)
      scratch.ranked.push_back({std::abs(candidates.surprise(i) - entropy), candidates.weight[i], candidates.token[i]});
  const Ranked last = last_of_prefix(scratch, [&](double sum) { return sum > mass * candidates.total; });
  auto ranked = scratch.ranked.begin();  // both lists ascend by token
  candidates.keep_if([&](size_t i) {
    if (ranked == scratch.ranked.end() || ranked->token != candidates.token[i]) return false;
    return !before(last, *ranked++);
  });
}

void keep_top_n_sigma(Candidates& candidates, double n_sigma) {
  const double n = static_cast<double>(candidates.size());
  double mean = 0, variance = 0;
  for (const float logit : candidates.logit) mean += logit / n;
  for (const float logit : candidates.logit) variance += (logit - mean) * (logit - mean) / n;
  const double limit = largest_of(candidates.logit) - n_sigma * std::sqrt(variance);
  candidates.keep_if([&](size_t i) { return candidates.logit[i] >= limit; });
}

void exclude_top_choices(Candidates& candidates, double threshold) {
  const double limit = threshold * candidates.total;
  size_t stays = candidates.size();
  for (size_t i = 0; i < candidates.size(); ++i)
    if (candidates.weight[i] >= limit && (stays == candidates.size() || candidates.ranks_before(stays, i))) stays = i;
  if (stays == candidates.size()) return;
  const float last = candidates.logit[stays];
  const int32_t last_token = candidates.token[stays];
  candidates.keep_if([&](size_t i) {
    return candidates.logit[i] < last || (candidates.logit[i] == last && candidates.token[i] >= last_token);
  });
}

void keep_unsurprising(Candidates& candidates, double limit) {
  const int32_t best = candidates.token[candidates.best()];
  candidates.keep_if(
      [&](size_t i) { return candidates.token[i] == best || candidates.surprise(i) / std::log(2.0) <= limit; });
}

size_t draw(const Candidates& candidates, double u) {
  const std::vector<double>& weight = candidates.weight;
  const double target = u * candidates.total;
  double below = 0;
  size_t last_possible = 0;  // rounding may leave the target at the very end
  for (size_t i = 0; i < weight.size(); ++i) {
    if (weight[i] == 0) continue;
    below += weight[i];
    last_possible = i;
    if (below > target) break;
  }
  return last_possible;
}

}  // namespace rwkv
