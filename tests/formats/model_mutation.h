// Thousands of damaged copies of a model file: each ends in an Error or in a model whose plan can
// be walked.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "backends/reference/reference.h"
#include "base/error.h"
#include "models/models.h"
#include "mutation.h"

namespace rwkv::test {

inline void step_once(const Model& model) {
  const auto executor = make_reference_executor(model.plan);
  const int32_t token = 0;
  const Segment segment{executor->new_slot(), 1};
  const uint32_t row = 0;
  std::vector<float> logits(model.plan->n_vocab);
  executor->run({{&token, 1}, {&segment, 1}, {&row, 1}}, logits);
}

// `read`: bytes -> shared_ptr<TensorFile>. Every 4th model that is built runs a step.
template <typename Read>
void expect_survives_mutation(const Bytes& whole, uint64_t n_mutation, const Read& read) {
  uint64_t n_refused = 0;
  for (uint64_t seed = 0; seed < n_mutation; ++seed) try {
      const Model built = build_model(read(mutate(whole, seed)), {});
      if (seed % 4 == 0) step_once(built);
    } catch (const Error& error) {
      ++n_refused;
      EXPECT_NE(error.code(), Code::kInternal) << error.sentence() << " seed " << seed;
    }
  EXPECT_GT(n_refused, n_mutation / 20);
  EXPECT_LT(n_refused, n_mutation);  // the whole file is good, and some damage is in the weights
}

}  // namespace rwkv::test
