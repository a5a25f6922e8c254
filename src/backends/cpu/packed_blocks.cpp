#include "backends/cpu/packed_blocks.h"

#include <cstring>

#include "tensor/blocks/blocks.h"

namespace rwkv::cpu {
namespace {

using blocks::Byte;
using blocks::u8;

// Byte of lane `lane` and value k of a block, in a vector v_(k / 4).
size_t place(size_t lane, size_t k) { return 4 * lane + k % 4; }

void put_byte(Byte* v, size_t lane, size_t k, uint8_t value) {  // v_0..v_7
  v[64 * (k / 4) + place(lane, k)] = static_cast<Byte>(value);
}
void put_nibble(Byte* n, size_t lane, size_t k, uint8_t value) {  // n_0..n_3: v_j low, v_(j+4) high
  n[64 * (k / 4 % 4) + place(lane, k)] |= static_cast<Byte>((value & 15) << (k < 16 ? 0 : 4));
}
void put_bit(Byte* h, size_t lane, size_t k, unsigned bit) {  // bit j of the byte belongs to v_j
  h[place(lane, k)] |= static_cast<Byte>(bit << (k / 4));
}
void put_two_bits(Byte* l, size_t lane, size_t k, unsigned value) {  // l_0, l_1
  const size_t j = k / 4;
  l[64 * (j % 2) + place(lane, k)] |= static_cast<Byte>(value << (j / 2 * 2));
}
void put_half(Byte* row, size_t lane, const Byte* half) { std::memcpy(row + 2 * lane, half, 2); }

// f(lane, block) for the rows that are there; the rest of the unit stays zero.
template <typename F>
void each_lane(const Byte* const* rows, F f) {
  for (size_t lane = 0; lane < kLanes; ++lane)
    if (rows[lane]) f(lane, rows[lane]);
}

// Low nibbles are values 0..15, high nibbles 16..31.
uint8_t nibble_of(const Byte* n, size_t k) {
  return static_cast<uint8_t>(u8(n + k % 16) >> (k < 16 ? 0 : 4) & 15);
}

void pack_q8_0(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in);
    for (size_t k = 0; k < 32; ++k) put_byte(out + 32, lane, k, static_cast<uint8_t>(u8(in + 2 + k) ^ 128u));
  });
}
// kHead: bytes of halves before the nibbles (2: scale; 4: scale and minimum). kHigh: four bytes of fifth bits.
template <size_t kHead, bool kHigh>
void pack_nibbles(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    for (size_t i = 0; i < kHead / 2; ++i) put_half(out + 32 * i, lane, in + 2 * i);
    Byte* nibbles = out + 16 * kHead;
    const Byte* n = in + kHead + (kHigh ? 4 : 0);
    const auto high = kHigh ? blocks::load<uint32_t>(in + kHead) : 0;
    for (size_t k = 0; k < 32; ++k) {
      put_nibble(nibbles, lane, k, nibble_of(n, k));
      if (kHigh) put_bit(nibbles + 256, lane, k, high >> k & 1);
    }
  });
}

uint8_t plane_nibble(const Byte* n, size_t j) {  // Q4_K, Q5_K: 32 low, then 32 high of each 32 bytes
  return static_cast<uint8_t>(u8(n + 32 * (j / 64) + j % 32) >> 4 * (j / 32 % 2) & 15);
}
unsigned plane_two_bits(const Byte* l, size_t j) {
  return u8(l + 32 * (j / 128) + j % 32) >> 2 * (j / 32 % 4) & 3;
}

void pack_q2_k(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in + 80);
    put_half(out + 32, lane, in + 82);
    for (size_t g = 0; g < 16; ++g) out[64 + 16 * g + lane] = in[g];
    for (size_t j = 0; j < 256; ++j)
      put_two_bits(out + 320 + 128 * (j / 32), lane, j % 32, plane_two_bits(in + 16, j));
  });
}

void pack_q3_k(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in + 108);
    for (size_t g = 0; g < 16; ++g)
      out[32 + 16 * g + lane] = static_cast<Byte>(blocks::q3_k_scale(in + 96, static_cast<unsigned>(g)));
    for (size_t j = 0; j < 256; ++j) {
      Byte* block = out + 288 + 192 * (j / 32);
      put_two_bits(block, lane, j % 32, plane_two_bits(in + 32, j));
      put_bit(block + 128, lane, j % 32, u8(in + j % 32) >> (j / 32) & 1);
    }
  });
}

// Q4_K, and Q5_K with its fifth bits.
template <bool kHigh>
void pack_q45_k(const Byte* const* rows, Byte* out) noexcept {
  constexpr size_t kBlock = kHigh ? 320 : 256;
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in);
    put_half(out + 32, lane, in + 2);
    for (size_t g = 0; g < 8; ++g) {
      const blocks::ScaleMin s = blocks::k_scale_min(in + 4, static_cast<unsigned>(g));
      out[64 + 16 * g + lane] = static_cast<Byte>(s.scale);
      out[192 + 16 * g + lane] = static_cast<Byte>(s.min);
    }
    for (size_t j = 0; j < 256; ++j) {
      Byte* block = out + 320 + kBlock * (j / 32);
      put_nibble(block, lane, j % 32, plane_nibble(in + (kHigh ? 48 : 16), j));
      if (kHigh) put_bit(block + 256, lane, j % 32, u8(in + 16 + j % 32) >> (j / 32) & 1);
    }
  });
}

void pack_q6_k(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in + 208);
    for (size_t g = 0; g < 16; ++g) out[32 + 16 * g + lane] = in[192 + g];
    for (size_t j = 0; j < 256; ++j) {
      Byte* block = out + 288 + 384 * (j / 32);
      const unsigned q = blocks::q6_k_quant(in, static_cast<unsigned>(j));
      put_nibble(block, lane, j % 32, static_cast<uint8_t>(q));
      put_two_bits(block + 256, lane, j % 32, q >> 4);
    }
  });
}

void pack_iq4_xs(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in);
    for (size_t g = 0; g < 8; ++g)
      out[32 + 16 * g + lane] = static_cast<Byte>(blocks::iq4_xs_scale(in, static_cast<unsigned>(g)));
    for (size_t j = 0; j < 256; ++j)
      put_nibble(out + 160 + 256 * (j / 32), lane, j % 32, nibble_of(in + 8 + 16 * (j / 32), j % 32));
  });
}

constexpr BlockPacker kPackers[] = {
    {DType::kQ4_0, Pack::kQ4_0, 32, 288, false, pack_nibbles<2, false>},
    {DType::kQ4_1, Pack::kQ4_1, 32, 320, false, pack_nibbles<4, false>},
    {DType::kQ5_0, Pack::kQ5_0, 32, 352, true, pack_nibbles<2, true>},
    {DType::kQ5_1, Pack::kQ5_1, 32, 384, true, pack_nibbles<4, true>},
    {DType::kQ8_0, Pack::kQ8_0, 32, 544, true, pack_q8_0},
    {DType::kQ2_K, Pack::kQ2_K, 256, 1344, false, pack_q2_k},
    {DType::kQ3_K, Pack::kQ3_K, 256, 1824, false, pack_q3_k},
    {DType::kQ4_K, Pack::kQ4_K, 256, 2368, false, pack_q45_k<false>},
    {DType::kQ5_K, Pack::kQ5_K, 256, 2880, false, pack_q45_k<true>},
    {DType::kQ6_K, Pack::kQ6_K, 256, 3360, false, pack_q6_k},
    {DType::kIQ4_NL, Pack::kIQ4_NL, 32, 288, false, pack_nibbles<2, false>},
    {DType::kIQ4_XS, Pack::kIQ4_XS, 256, 2208, false, pack_iq4_xs},
};

}  // namespace

const BlockPacker* find_packer(DType dtype) noexcept {
  for (const BlockPacker& packer : kPackers)
    if (packer.dtype == dtype) return &packer;
  return nullptr;
}

}  // namespace rwkv::cpu
