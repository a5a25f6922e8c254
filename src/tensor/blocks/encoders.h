// The encoders, once for vectors of four floats and once for eight; the bits are the same. And the decoder of what is
// quantized most.
#pragma once

#include "tensor/blocks/blocks.h"

namespace rwkv::blocks {

using Decode = void (*)(const Byte* in, size_t n_block, float* out) noexcept;
using Encode = void (*)(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;

struct Encoders {
  Encode q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs;
  Decode from_f16;
};
const Encoders& encoders_of_four() noexcept;
// Null where this program or processor has no such vectors.
const Encoders* encoders_of_eight() noexcept;

}  // namespace rwkv::blocks
