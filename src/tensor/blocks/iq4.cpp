// Four bits that index a table of 16 uneven levels: IQ4_NL (32 values), IQ4_XS (256, a scale per 32).
#include "tensor/blocks/blocks.h"

namespace rwkv::blocks {
namespace {

// 16 bytes: low nibbles are values 0..15, high nibbles 16..31.
void levels(const Byte* nibbles, float scale, float* out) noexcept {
  for (unsigned j = 0; j < 16; ++j) {
    out[j] = scale * static_cast<float>(kIq4Levels[u8(nibbles + j) & 15]);
    out[j + 16] = scale * static_cast<float>(kIq4Levels[u8(nibbles + j) >> 4]);
  }
}

}  // namespace

int iq4_xs_scale(const Byte* block, unsigned j) noexcept {
  const unsigned low = u8(block + 4 + j / 2) >> 4 * (j % 2) & 15;
  return static_cast<int>(low | (load<uint16_t>(block + 2) >> 2 * j & 3u) << 4) - 32;
}

void decode_iq4_nl(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 18, out += 32) levels(in + 2, half(in), out);
}

void decode_iq4_xs(const Byte* in, size_t n_block, float* out) noexcept {
  for (; n_block > 0; --n_block, in += 136, out += 256) {
    const float d = half(in);
    for (unsigned j = 0; j < 8; ++j)
      levels(in + 8 + 16 * j, d * static_cast<float>(iq4_xs_scale(in, j)), out + 32 * j);
  }
}

}  // namespace rwkv::blocks
