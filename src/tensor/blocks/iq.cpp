// Blocks of 256 values that index codebooks by groups of 8 or 4: IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS
// IQ3_S.
#include <bit>

#include "tensor/blocks/codebooks.h"
#include "tensor/blocks/quants.h"

namespace rwkv::blocks {
namespace {

constexpr int8_t kIq2Levels[4] = {8, 25, 43, 0};
constexpr int8_t kIq3XxsLevels[8] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr int8_t kIq3SLevels[8] = {1, 3, 5, 7, 9, 11, 13, 15};

// Seven signs of a group of 8; the eighth makes their number even.
unsigned signs(uint32_t seven) noexcept {
  seven &= 127;
  return seven | (std::popcount(seven) & 1u) << 7;
}
// Bit j of `negative` set: value j of a group is negative.
int8_t with_sign(int8_t level, unsigned negative, unsigned j) noexcept {
  return static_cast<int8_t>(negative >> j & 1 ? -level : level);
}

void group_of_8(unsigned entry, unsigned negative, int8_t* out) noexcept {
  for (unsigned j = 0; j < 8; ++j) out[j] = with_sign(kIq2Levels[entry >> 2 * j & 3], negative, j);
}
void two_groups_of_4(unsigned first, unsigned second, const int8_t* levels, unsigned negative,
                     int8_t* out) noexcept {
  for (unsigned j = 0; j < 4; ++j) {
    out[j] = with_sign(levels[first >> 3 * j & 7], negative, j);
    out[j + 4] = with_sign(levels[second >> 3 * j & 7], negative, j + 4);
  }
}
// 8 (v - 1) +- 1 for the entry's v = 0..2.
void iq1_group(unsigned entry, bool minus, int8_t* out) noexcept {
  for (unsigned j = 0; j < 8; ++j)
    out[j] = static_cast<int8_t>(8 * (static_cast<int>(entry >> 2 * j & 3) - 1) + (minus ? -1 : 1));
}

// A nibble as a scale: (0.5 + n) * unit.
float nibble_scale(float d, unsigned n, float unit) noexcept {
  return d * (0.5f + static_cast<float>(n)) * unit;
}

// Sixteen nibbles, low ones first, one for each 16 values: IQ2_XS, IQ2_S.
void nibble_scales(const Byte* nibbles, float d, float* scale) noexcept {
  for (unsigned g = 0; g < 16; ++g)
    scale[g] = nibble_scale(d, u8(nibbles + g / 2) >> 4 * (g % 2) & 15, 0.25f);
}

}  // namespace

void unpack_iq2_xxs(const Byte* block, Quants& out) noexcept {
  for (unsigned g = 0; g < 8; ++g) {
    const Byte* in = block + 2 + 8 * g;
    const uint32_t rest = load<uint32_t>(in + 4);
    out.scale[2 * g] = out.scale[2 * g + 1] = nibble_scale(half(block), rest >> 28, 0.25f);
    for (unsigned l = 0; l < 4; ++l)
      group_of_8(kIq2Xxs[u8(in + l)], signs(rest >> 7 * l), out.q + 32 * g + 8 * l);
  }
}
void unpack_iq2_xs(const Byte* block, Quants& out) noexcept {
  nibble_scales(block + 66, half(block), out.scale);
  for (unsigned l = 0; l < 32; ++l) {
    const uint16_t q = load<uint16_t>(block + 2 + 2 * l);
    group_of_8(kIq2Xs[q & 511], signs(q >> 9), out.q + 8 * l);
  }
}
void unpack_iq2_s(const Byte* block, Quants& out) noexcept {
  nibble_scales(block + 74, half(block), out.scale);
  for (unsigned l = 0; l < 32; ++l) {
    const unsigned high = u8(block + 66 + l / 4) >> 2 * (l % 4) & 3;
    group_of_8(kIq2S[u8(block + 2 + l) | high << 8], u8(block + 34 + l), out.q + 8 * l);
  }
}
void unpack_iq3_xxs(const Byte* block, Quants& out) noexcept {
  for (unsigned g = 0; g < 8; ++g) {
    const uint32_t rest = load<uint32_t>(block + 66 + 4 * g);
    out.scale[2 * g] = out.scale[2 * g + 1] = nibble_scale(half(block), rest >> 28, 0.5f);
    for (unsigned l = 0; l < 4; ++l) {
      const Byte* index = block + 2 + 8 * g + 2 * l;
      two_groups_of_4(kIq3Xxs[u8(index)], kIq3Xxs[u8(index + 1)], kIq3XxsLevels, signs(rest >> 7 * l),
                      out.q + 32 * g + 8 * l);
    }
  }
}
void unpack_iq3_s(const Byte* block, Quants& out) noexcept {
  for (unsigned g = 0; g < 16; ++g) {
    const unsigned n = u8(block + 106 + g / 4) >> 4 * (g / 2 % 2) & 15;
    out.scale[g] = half(block) * static_cast<float>(1 + 2 * n);
  }
  for (unsigned l = 0; l < 32; ++l) {
    const unsigned high = u8(block + 66 + l / 4) >> 2 * (l % 4);
    const Byte* index = block + 2 + 2 * l;
    two_groups_of_4(kIq3S[u8(index) | (high & 1) << 8], kIq3S[u8(index + 1) | (high >> 1 & 1) << 8],
                    kIq3SLevels, u8(block + 74 + l), out.q + 8 * l);
  }
}
void unpack_iq1_s(const Byte* block, Quants& out) noexcept {
  for (unsigned g = 0; g < 8; ++g) {
    const unsigned h = load<uint16_t>(block + 34 + 2 * g);
    const float scale = half(block) * static_cast<float>(2 * (h >> 12 & 7) + 1);
    out.scale[2 * g] = out.scale[2 * g + 1] = scale * 0.125f;
    for (unsigned l = 0; l < 4; ++l)
      iq1_group(kIq1[u8(block + 2 + 4 * g + l) | (h >> 3 * l & 7) << 8], h >> 15, out.q + 32 * g + 8 * l);
  }
}
void unpack_iq1_m(const Byte* block, Quants& out) noexcept {
  unsigned scales[4], bits = 0;  // the block's half lies in their four top nibbles
  for (unsigned i = 0; i < 4; ++i) {
    scales[i] = load<uint16_t>(block + 48 + 2 * i);
    bits |= scales[i] >> 12 << 4 * i;
  }
  const float d = f16_to_f32(static_cast<uint16_t>(bits));
  for (unsigned g = 0; g < 16; ++g) {
    out.scale[g] = d * static_cast<float>(2 * (scales[g / 4] >> 3 * (g % 4) & 7) + 1) * 0.125f;
    for (unsigned l = 2 * g; l < 2 * g + 2; ++l) {
      const unsigned n = u8(block + 32 + g) >> 4 * (l % 2) & 15;
      iq1_group(kIq1[u8(block + l) | (n & 7) << 8], n & 8, out.q + 8 * l);
    }
  }
}

}  // namespace rwkv::blocks
