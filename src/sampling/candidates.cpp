// Walks over all candidates, written so that compilers make vectors of them: no branch, no call, no order of sums that
// would have to be kept.
#include "sampling/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/exp_down.h"

namespace rwkv {
namespace {

constexpr size_t kLanes = 16;  // sums and maxima side by side

}  // namespace

void Candidates::assign(std::span<const float> logits) {
  token.resize(logits.size());
  std::iota(token.begin(), token.end(), 0);
  logit.assign(logits.begin(), logits.end());
  weight.clear();
}

size_t Candidates::best() const {
  return static_cast<size_t>(std::find(logit.begin(), logit.end(), largest_of(logit)) - logit.begin());
}

void Candidates::weigh() {
  largest = largest_of(logit);
  weight.resize(size());
  const float* from = logit.data();
  double* to = weight.data();
  for (size_t i = 0; i < size(); ++i) to[i] = std::max(from[i] - largest, -708.0);
  exp_down(weight);
  double sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += to[i + lane];
  total = std::accumulate(sums, sums + kLanes, std::accumulate(to + i, to + size(), 0.0));
  log_total = std::log(total);
}

void Candidates::resize(size_t n) {
  token.resize(n);
  logit.resize(n);
  weight.resize(std::min(n, weight.size()));
}

float largest_of(std::span<const float> logits) {
  float best[kLanes];
  std::fill_n(best, kLanes, -std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float x = logits[i + lane];
      best[lane] = x > best[lane] ? x : best[lane];
    }
  for (; i < logits.size(); ++i) best[0] = std::max(best[0], logits[i]);
  return *std::max_element(best, best + kLanes);
}

}  // namespace rwkv
