// Blocks of 32 values: Q4_0 Q4_1 Q5_0 Q5_1 Q8_0. Low nibbles are values 0..15, high nibbles 16..31.
#include "tensor/blocks/blocks.h"

namespace rwkv::blocks {
namespace {

// value(q) for each of the 32 quants of a block: `nibbles` at 16 bytes, `high` has a fifth bit per value.
template <typename Value>
void each_quant(const Byte* nibbles, uint32_t high, float* out, Value value) noexcept {
  for (unsigned j = 0; j < 16; ++j) {
    const unsigned byte = u8(nibbles + j);
    out[j] = value(static_cast<int>((byte & 15) | (high >> j & 1) << 4));
    out[j + 16] = value(static_cast<int>(byte >> 4 | (high >> (j + 16) & 1) << 4));
  }
}

}  // namespace

void decode_q4_0(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 18, out += 32) {
    const float d = half(in);
    each_quant(in + 2, 0, out, [d](int q) { return d * static_cast<float>(q - 8); });
  }
}
void decode_q4_1(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 20, out += 32) {
    const float d = half(in), m = half(in + 2);
    each_quant(in + 4, 0, out, [d, m](int q) { return d * static_cast<float>(q) + m; });
  }
}
void decode_q5_0(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 22, out += 32) {
    const float d = half(in);
    each_quant(in + 6, load<uint32_t>(in + 2), out,
               [d](int q) { return d * static_cast<float>(q - 16); });
  }
}
void decode_q5_1(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 24, out += 32) {
    const float d = half(in), m = half(in + 2);
    each_quant(in + 8, load<uint32_t>(in + 4), out,
               [d, m](int q) { return d * static_cast<float>(q) + m; });
  }
}
void decode_q8_0(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 34, out += 32) {
    const float d = half(in);
    for (unsigned j = 0; j < 32; ++j) out[j] = d * static_cast<float>(i8(in + 2 + j));
  }
}

}  // namespace rwkv::blocks
