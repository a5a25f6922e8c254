// States in the layouts of other programs. All hold the same arrays (docs/states.md), only in
// another order:
//
//   rwkv.cpp    one buffer of f32: by layer ffn_shift, att_shift, then aa bb pp (v4) or the heads
//   pip         the pip package's list of tensors as .pth: by layer att_shift, aa bb pp or heads,
//   ffn_shift llama.cpp   a sequence's state file: all shifts, then all heads tuned       initial
//   heads alone, blocks.N.att.time_state [H][value][key], as .pth
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.h"
#include "tensor/tensor_file.h"

namespace rwkv {

struct StateAndLength {
  std::vector<float> state;  // canonical, [plan.state.size]
  uint64_t n_token = 0;      // 0 where the format does not say
};

bool is_llama_state(std::span<const std::byte> bytes);
// Error{kState} naming `path` when the sizes are not this model's, or the file breaks its format.
StateAndLength parse_llama_state(const Plan& plan, std::span<const std::byte> bytes,
                                 const std::string& path);
StateAndLength parse_rwkv_cpp_state(const Plan& plan, std::span<const std::byte> bytes,
                                    const std::string& path);
bool is_pip_state(const TensorFile& file);
StateAndLength parse_pip_state(const Plan& plan, const TensorFile& file);

// Do a version's heads lie [key][value] (v5, v6)?
bool is_by_key(const std::string& version);

// `format` as above; `version` is the model's ("v7", "arwkv7"). Atomic. Error{kArgument} for an
// unknown format, kUnsupported when the format has no place for such a model.
void write_foreign_state(const Plan& plan, const StateAndLength& state, const std::string& version,
                         const std::string& format, const std::string& path);

// sum of weights[i] * states[i], in v4 with its numerators and denominators brought to one exponent
// first.
std::vector<float> mix_states(const Plan& plan, std::span<const std::vector<float>> states,
                              std::span<const float> weights);

}  // namespace rwkv
