// Every op of the plan in double precision and plain loops: the definition of right. A new op enters here
// first; other backends are tested against these functions.
#pragma once

#include <span>
#include <vector>

#include "plan/executor.h"

namespace rwkv::reference {

using Array = std::vector<double>;

// What an op works on: the activations of the step's rows, and one state (double, canonical order) per
// segment.
struct Context {
  const Plan& plan;
  std::span<const int32_t> tokens;     // [rows]
  std::span<const Segment> segments;
  std::span<Array* const> states;      // one per segment, [state.size]
  std::vector<Array>& values;          // by Value: [rows, width]
  size_t rows = 0;

  double* row(Value value, size_t t) { return values[value].data() + t * plan.value_width[value]; }
  double* state(size_t segment, StateId id) {
    return states[segment]->data() + plan.state.arrays[id].offset;
  }
};

double activate(Act act, double x);
void run(Context& c, const EmbedOp& op);
void run(Context& c, const NormOp& op);
void run(Context& c, const NormShiftMixOp& op);
void run(Context& c, const LinearOp& op);
void run(Context& c, const Wkv4Op& op);
void run(Context& c, const Wkv6Op& op);
void run(Context& c, const Wkv7Op& op);
void run(Context& c, const DeepEmbedOp& op);
void run(Context& c, const ScaleOp& op);

}  // namespace rwkv::reference
