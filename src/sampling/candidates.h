// The tokens that may still be drawn, in ascending order through every filter, so that which token a random number hits
// depends neither on a sort nor on the standard library. Arrays side by side: most steps walk the whole vocabulary, which
// compilers turn into vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rwkv {

class Candidates {
 public:
  void assign(std::span<const float> logits);  // all tokens from 0 on
  size_t size() const { return token.size(); }
  bool ranks_before(size_t a, size_t b) const {  // higher logit first, at equal logits the lower id
    return logit[a] != logit[b] ? logit[a] > logit[b] : token[a] < token[b];
  }
  size_t best() const;  // the first in rank
  // weight = exp(logit - largest), total = their sum: the softmax is weight / total. Stale after a filter until called again.
  void weigh();
  double surprise(size_t i) const { return log_total + (largest - logit[i]); }  // -ln of the softmax; needs weigh()

  // Keeps i for which keep(i).
  template <typename Keep>
  void keep_if(Keep keep) {
    size_t n = 0;
    for (size_t i = 0; i < size(); ++i)
      if (keep(i)) {
        token[n] = token[i];
        logit[n] = logit[i];
        if (i < weight.size()) weight[n] = weight[i];
        ++n;
      }
    resize(n);
  }

  std::vector<int32_t> token;
  std::vector<float> logit;    // finite
  std::vector<double> weight;  // as many, or none
  double largest = 0, total = 0, log_total = 0;

 private:
  void resize(size_t n);
};

// The largest of some logits; -inf when there are none.
float largest_of(std::span<const float> logits);
}  // namespace rwkv
