// Blocks of 256 values with scales of their own for each 16 or 32: Q2_K Q3_K Q4_K Q5_K Q6_K.
#include "tensor/blocks/blocks.h"

namespace rwkv::blocks {
namespace {

// Value j of the 2-bit planes: each half of 32 bytes holds four planes of 32 values.
unsigned two_bits(const Byte* planes, unsigned j) noexcept {
  return u8(planes + 32 * (j / 128) + j % 32) >> 2 * (j / 32 % 4) & 3;
}
// Value j of the nibble planes: each 32 bytes hold 32 low nibbles, then 32 high ones.
unsigned nibble(const Byte* planes, unsigned j) noexcept {
  return u8(planes + 32 * (j / 64) + j % 32) >> 4 * (j / 32 % 2) & 15;
}
// Bit of value j where byte j % 32 holds one bit for each group of 32.
unsigned high_bit(const Byte* mask, unsigned j) noexcept { return u8(mask + j % 32) >> j / 32 & 1; }

// Value j of Q6_K, 0..63.
unsigned q6_k_quant(const Byte* block, unsigned j) noexcept {
  const unsigned part = j / 128, quarter = j / 32 % 4, i = j % 32;
  const unsigned low = u8(block + 64 * part + 32 * (quarter % 2) + i) >> 4 * (quarter / 2) & 15;
  return low | (u8(block + 128 + 32 * part + i) >> 2 * quarter & 3) << 4;
}

}  // namespace

ScaleMin k_scale_min(const Byte* s, unsigned j) noexcept {
  if (j < 4) return {u8(s + j) & 63, u8(s + j + 4) & 63};
  return {(u8(s + j + 4) & 15) | u8(s + j - 4) >> 6 << 4, u8(s + j + 4) >> 4 | u8(s + j) >> 6 << 4};
}
int q3_k_scale(const Byte* s, unsigned j) noexcept {
  const unsigned low = u8(s + j % 8) >> 4 * (j / 8) & 15;
  const unsigned high = u8(s + 8 + j % 4) >> 2 * (j / 4) & 3;
  return static_cast<int>(low | high << 4) - 32;
}

void decode_q2_k(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 84, out += 256) {
    const float d = half(in + 80), dmin = half(in + 82);
    for (unsigned j = 0; j < 256; ++j) {
      const unsigned s = u8(in + j / 16);
      const float scale = d * static_cast<float>(s & 15), min = dmin * static_cast<float>(s >> 4);
      out[j] = scale * static_cast<float>(two_bits(in + 16, j)) - min;
    }
  }
}
void decode_q3_k(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 110, out += 256) {
    const float d = half(in + 108);
    for (unsigned j = 0; j < 256; ++j) {
      const float scale = d * static_cast<float>(q3_k_scale(in + 96, j / 16));
      const int q = static_cast<int>(two_bits(in + 32, j)) - (high_bit(in, j) ? 0 : 4);
      out[j] = scale * static_cast<float>(q);
    }
  }
}
void decode_q4_k(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 144, out += 256) {
    const float d = half(in), dmin = half(in + 2);
    for (unsigned j = 0; j < 256; ++j) {
      const ScaleMin s = k_scale_min(in + 4, j / 32);
      const float scale = d * static_cast<float>(s.scale), min = dmin * static_cast<float>(s.min);
      out[j] = scale * static_cast<float>(nibble(in + 16, j)) - min;
    }
  }
}
void decode_q5_k(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 176, out += 256) {
    const float d = half(in), dmin = half(in + 2);
    for (unsigned j = 0; j < 256; ++j) {
      const ScaleMin s = k_scale_min(in + 4, j / 32);
      const float scale = d * static_cast<float>(s.scale), min = dmin * static_cast<float>(s.min);
      const unsigned q = nibble(in + 48, j) | high_bit(in + 16, j) << 4;
      out[j] = scale * static_cast<float>(q) - min;
    }
  }
}
void decode_q6_k(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 210, out += 256) {
    const float d = half(in + 208);
    for (unsigned j = 0; j < 256; ++j) {
      const float scale = d * static_cast<float>(i8(in + 192 + j / 16));
      out[j] = scale * static_cast<float>(static_cast<int>(q6_k_quant(in, j)) - 32);
    }
  }
}

}  // namespace rwkv::blocks
