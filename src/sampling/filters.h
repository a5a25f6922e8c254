// Filters over the tokens that may still be drawn. Candidates stay in ascending token order through
// every filter, so which token a random number hits depends neither on a sort nor on the standard
// library. Each filter keeps at least one candidate. "Ranked" means: higher logit first, at equal
// logits the lower id.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rwkv {

struct Candidate {
  int32_t token;
  float logit;  // finite
  double p;     // set by normalise(), stale after a filter until the next normalise()
};
using Candidates = std::vector<Candidate>;  // never empty; ascending by token

// Working space, kept between steps so that none is allocated. A copy starts empty: clones of a
// sampler share no history through it.
struct FilterScratch {
  struct Ranked {
    double key;  // ranked ascending by key, then token
    double p;
    int32_t token;
  };
  std::vector<Ranked> ranked;
  Candidates best;

  FilterScratch() = default;
  FilterScratch(const FilterScratch&) {}
  FilterScratch& operator=(const FilterScratch&) { return *this; }
};

// Sets p = softmax of the logits.
void normalise(Candidates& candidates);
// logit = (logit - largest) / temperature; temperature > 0.
void apply_temperature(Candidates& candidates, float temperature);

// Keeps the k best ranked. A partial sort: O(n log k).
void keep_top_k(Candidates& candidates, size_t k, FilterScratch& scratch);
// Keeps the shortest ranked prefix whose mass reaches `mass`; kKeep: and all that tie with its
// last. Needs p.
enum class Ties { kCut, kKeep };
void keep_top_p(Candidates& candidates, double mass, Ties ties, FilterScratch& scratch);
// Keeps p >= min_p * largest p. Needs p.
void keep_min_p(Candidates& candidates, double min_p);
// Locally typical sampling: ranks by |surprise - entropy| (natural logs), keeps the shortest prefix
// whose mass exceeds `mass`. Needs p.
void keep_typical(Candidates& candidates, double mass, FilterScratch& scratch);
// Keeps logit >= largest - n_sigma * standard deviation of the logits.
void keep_top_n_sigma(Candidates& candidates, double n_sigma);
// XTC: of the candidates with p >= threshold, removes all but the one ranked last. Needs p.
void exclude_top_choices(Candidates& candidates, double threshold);
// Mirostat 2: keeps surprise -log2(p) <= limit, or the best ranked alone. Needs p.
void keep_unsurprising(Candidates& candidates, double limit);

// The index that u in [0, 1) hits, weighted by p (any positive sum). Needs p.
size_t draw(const Candidates& candidates, double u);

}  // namespace rwkv
