// Sums of squared inputs of every matrix, column by column: what an importance matrix is made of. Beside them how many
// inputs are exactly 0, for matrices that follow relu^2.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "plan/plan.h"

namespace rwkv {

struct InputSums {
  std::string name;          // of the matrix, canonical
  std::vector<double> sums;  // [cols]
  uint64_t n_row = 0;        // rows (tokens) that were added
  bool sparse = false;       // the plan's: mostly exact zeros
  uint64_t n_zero = 0;       // of n_row * cols inputs
};

class InputCollector {
 public:
  // Forgets; with room for all parts of the plan, so that `add` does not need any.
  void begin(const Plan& plan) {
    sums_.clear();
    for (const auto* ops : {&plan.body, &plan.head})
      for (const Op& op : *ops)
        if (const auto* linear = std::get_if<LinearOp>(&op))
          for (const LinearPart& part : linear->parts) add(part, static_cast<const float*>(nullptr), 0, 0);
  }

  // `first` points at the part's first input of row 0; rows lie `stride` elements apart.
  template <typename T>
  void add(const LinearPart& part, const T* first, size_t stride, size_t n_row) {
    InputSums& to = sums_[&part];
    to.name = part.weight.name;
    to.sums.resize(part.weight.cols);
    to.n_row += n_row;
    to.sparse = part.sparse;
    for (size_t t = 0; t < n_row; ++t)
      for (size_t i = 0; i < to.sums.size(); ++i) {
        const auto x = static_cast<double>(first[t * stride + i]);
        to.sums[i] += x * x;
        to.n_zero += x == 0;
      }
  }
  // In the order of the plan; slices of one stack follow each other under the same name.
  std::vector<InputSums> collected(const Plan& plan) const {
    std::vector<InputSums> out;
    for (const auto* ops : {&plan.body, &plan.head})
      for (const Op& op : *ops)
        if (const auto* linear = std::get_if<LinearOp>(&op))
          for (const LinearPart& part : linear->parts)
            if (const auto found = sums_.find(&part); found != sums_.end() && found->second.n_row > 0) out.push_back(found->second);
    return out;
  }

 private:
  std::unordered_map<const LinearPart*, InputSums> sums_;
};

}  // namespace rwkv
