// The types whose blocks are plain products: value = scale * integer, with ggml's rounding. One function a
// type takes a block apart; decoding and the CPU's packing both start from there.
#pragma once

#include "tensor/blocks/blocks.h"

namespace rwkv::blocks {

struct Quants {
  alignas(16) int8_t q[256];  // a block's integers; types of smaller blocks fill the front
  float scale[16];            // of each 16 values
};

void unpack_q1_0(const Byte* block, Quants& out) noexcept;   // 128 values
void unpack_q2_0(const Byte* block, Quants& out) noexcept;   // 64
void unpack_mxfp4(const Byte* block, Quants& out) noexcept;  // 32
void unpack_nvfp4(const Byte* block, Quants& out) noexcept;  // 64
void unpack_tq1_0(const Byte* block, Quants& out) noexcept;  // 256 here and below
void unpack_tq2_0(const Byte* block, Quants& out) noexcept;
void unpack_iq2_xxs(const Byte* block, Quants& out) noexcept;
void unpack_iq2_xs(const Byte* block, Quants& out) noexcept;
void unpack_iq2_s(const Byte* block, Quants& out) noexcept;
void unpack_iq3_xxs(const Byte* block, Quants& out) noexcept;
void unpack_iq3_s(const Byte* block, Quants& out) noexcept;
// grid +- 1/8 is kept as the integer 8 grid +- 1, and the scale divided by 8, which is exact.
void unpack_iq1_s(const Byte* block, Quants& out) noexcept;
void unpack_iq1_m(const Byte* block, Quants& out) noexcept;

using Unpack = void (*)(const Byte* block, Quants& out) noexcept;

// DTypeInfo::decode of such a type.
template <Unpack kUnpack, size_t kValues, size_t kBytes>
void decode_quants(const Byte* in, size_t n_block, float* out) noexcept {
  Quants quants;
  for (; n_block > 0; --n_block, in += kBytes, out += kValues) {
    kUnpack(in, quants);
    for (size_t j = 0; j < kValues; ++j) out[j] = quants.scale[j / 16] * static_cast<float>(quants.q[j]);
  }
}

}  // namespace rwkv::blocks
