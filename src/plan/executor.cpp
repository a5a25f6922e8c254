#include "plan/executor.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace rwkv {

Bounds Executor::measure_bounds() {
  throw Error(Code::kUnsupported, "device {} has no bounds to measure", device());
}
double Executor::measure_bandwidth() { return measure_bounds().bytes_per_s; }

void Executor::set_collecting(bool) {
  throw Error(Code::kUnsupported, "device {} does not collect the inputs of matrices", device());
}

void check_step(const Plan& plan, const Step& step) {
  size_t rows = 0;
  std::vector<Slot> slots;
  for (const Segment& segment : step.segments) {
    if (segment.n_row == 0) throw Error(Code::kArgument, "a segment of 0 tokens, expected 1 or more");
    rows += segment.n_row;
    slots.push_back(segment.slot);
    if (!segment.after.empty() && segment.after.size() != segment.n_row - 1)
      throw Error(Code::kArgument, "{} slots for the states inside a segment of {} tokens", segment.after.size(),
                  segment.n_row);
    slots.insert(slots.end(), segment.after.begin(), segment.after.end());
  }
  if (rows == 0 || rows != step.tokens.size())
    throw Error(Code::kArgument, "{} tokens in segments of {} together", step.tokens.size(), rows);
  std::sort(slots.begin(), slots.end());
  if (std::adjacent_find(slots.begin(), slots.end()) != slots.end())
    throw Error(Code::kArgument, "one sequence stands twice in a step");
  for (size_t i = 0; i < rows; ++i)
    if (step.tokens[i] < 0 || static_cast<size_t>(step.tokens[i]) >= plan.n_vocab)
      throw Error(Code::kArgument, "token {} at place {}, expected 0 to {}", step.tokens[i], i,
                  plan.n_vocab - 1);
  for (size_t i = 0; i < step.logit_rows.size(); ++i)
    if (step.logit_rows[i] >= rows || (i > 0 && step.logit_rows[i] <= step.logit_rows[i - 1]))
      throw Error(Code::kArgument, "logits wanted of row {} of {}, expected rising rows",
                  step.logit_rows[i], rows);
}

}  // namespace rwkv
