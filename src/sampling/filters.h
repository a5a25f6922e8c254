// Filters over the candidates. Each keeps at least one. "Ranked" means: higher logit first, at equal logits the lower id.
#pragma once

#include "sampling/candidates.h"

namespace rwkv {

// Working space, kept between steps so that none is allocated. A copy starts empty: clones of a
// sampler share no history through it.
struct FilterScratch {
  struct Ranked {
    double key;  // ranked ascending by key, then token
    double mass;
    int32_t token;
  };
  std::vector<Ranked> ranked, part;
  std::vector<double> masses;
  std::vector<size_t> best;

  FilterScratch() = default;
  FilterScratch(const FilterScratch&) {}
  FilterScratch& operator=(const FilterScratch&) { return *this; }
};

// logit = (logit - largest) / temperature; temperature > 0.
void apply_temperature(Candidates& candidates, float temperature);

// Keeps the k best ranked, k > 0: O(n log k).
void keep_top_k(Candidates& candidates, size_t k, FilterScratch& scratch);
// Keeps the shortest ranked prefix whose share of the whole reaches `mass`; kKeep: and all that tie with its
// last. Needs weigh().
enum class Ties { kCut, kKeep };
void keep_top_p(Candidates& candidates, double mass, Ties ties, FilterScratch& scratch);
// Keeps p >= min_p * largest p. Needs weigh().
void keep_min_p(Candidates& candidates, double min_p);
// Locally typical sampling: ranks by |surprise - entropy| (natural logs), keeps the shortest prefix
// whose mass exceeds `mass`. Needs weigh().
void keep_typical(Candidates& candidates, double mass, FilterScratch& scratch);
// Keeps logit >= largest - n_sigma * standard deviation of the logits.
void keep_top_n_sigma(Candidates& candidates, double n_sigma);
// XTC: of the candidates with p >= threshold, removes all but the one ranked last. Needs weigh().
void exclude_top_choices(Candidates& candidates, double threshold);
// Mirostat 2: keeps surprise -log2(p) <= limit, or the best ranked alone. Needs weigh().
void keep_unsurprising(Candidates& candidates, double limit);

// The index that u in [0, 1) hits, by weight (any positive sum). Needs weigh().
size_t draw(const Candidates& candidates, double u);

}  // namespace rwkv
