#include "backends/cpu/packed_blocks.h"

#include <cstring>

#include "tensor/blocks/blocks.h"
#include "tensor/blocks/quants.h"

namespace rwkv::cpu {
namespace {

using blocks::Byte;

// Four neighbouring k of one row lie in one dword, in the file as in a panel, so packing moves and masks dwords.
uint32_t dword(const Byte* p) noexcept { return blocks::load<uint32_t>(p); }
constexpr uint32_t bytes4(uint32_t byte) { return byte * 0x01010101u; }

// A scale or minimum, 16 bits, as the i-th of its line.
void put_half(Byte* halves, size_t i, const Byte* half) noexcept { std::memcpy(halves + 2 * i, half, 2); }

// The dword of output `lane` in the vector at `v`.
void put(Byte* v, size_t lane, uint32_t four) noexcept { std::memcpy(v + 4 * lane, &four, 4); }

// f(lane, block) for the rows that are there; the rest of the unit stays zero.
template <typename F>
void each_lane(const Byte* const* rows, F f) {
  for (size_t lane = 0; lane < kLanes; ++lane)
    if (rows[lane]) f(lane, rows[lane]);
}

// For a block of 32 whose v_j is v(j), a byte of so many bits for each k:
template <typename V>
void put_two_bits(Byte* t, size_t lane, V v) {
  for (size_t i = 0; i < 2; ++i) put(t + 64 * i, lane, v(i) | v(i + 2) << 2 | v(i + 4) << 4 | v(i + 6) << 6);
}
template <typename V>
void put_three_bits(Byte* t, size_t lane, V v) {
  const uint32_t low = bytes4(3), high = bytes4(4);
  put(t, lane, v(0) | v(1) << 3 | (v(6) & low) << 6);
  put(t + 64, lane, v(2) | v(3) << 3 | (v(7) & low) << 6);
  put(t + 128, lane, v(4) | v(5) << 3 | (v(6) & high) << 4 | (v(7) & high) << 5);
}
template <typename V>
void put_nibbles(Byte* t, size_t lane, V v) {
  for (size_t j = 0; j < 4; ++j) put(t + 64 * j, lane, v(j) | v(j + 4) << 4);
}
template <typename V>
void put_five_bits(Byte* t, size_t lane, V v) {
  const uint32_t low = bytes4(7), high = bytes4(0x18);
  put(t, lane, v(0) | (v(5) & low) << 5);
  put(t + 64, lane, v(1) | (v(5) & high) << 2 | (v(7) & bytes4(8)) << 4);
  put(t + 128, lane, v(2) | (v(6) & low) << 5);
  put(t + 192, lane, v(3) | (v(6) & high) << 2 | (v(7) & bytes4(16)) << 3);
  put(t + 256, lane, v(4) | (v(7) & low) << 5);
}
template <typename V>
void put_six_bits(Byte* t, size_t lane, V v) {
  for (size_t j = 0; j < 6; ++j) put(t + 64 * j, lane, v(j) | (v(6 + j / 3) >> 2 * (j % 3) & bytes4(3)) << 6);
}

void pack_q8_0(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in);
    for (size_t j = 0; j < 8; ++j) put(out + 32 + 64 * j, lane, dword(in + 2 + 4 * j) ^ bytes4(0x80));
  });
}

// kHead: bytes of halves before the quants (2: scale; 4: scale and minimum). kHigh: four bytes of fifth bits.
template <size_t kHead, bool kHigh>
void pack_nibbles(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    for (size_t i = 0; i < kHead / 2; ++i) put_half(out + 32 * i, lane, in + 2 * i);
    Byte* quants = out + 16 * kHead;
    const auto nibble = [&](size_t j) {
      return dword(in + kHead + (kHigh ? 4 : 0) + 4 * (j % 4)) >> 4 * (j / 4) & bytes4(15);
    };
    if constexpr (!kHigh) return put_nibbles(quants, lane, nibble);
    const uint32_t high = dword(in + kHead);  // bit k: value k
    put_five_bits(quants, lane, [&](size_t j) {
      const uint32_t four = high >> 4 * j & 15;
      return nibble(j) | ((four & 1) | (four & 2) << 7 | (four & 4) << 14 | (four & 8) << 21) << 4;
    });
  });
}

// The 2-bit planes of Q2_K and Q3_K: v_j of block b.
uint32_t plane_two_bits(const Byte* l, size_t b, size_t j) noexcept {
  return dword(l + 32 * (b / 4) + 4 * j) >> 2 * (b % 4) & bytes4(3);
}

void pack_q2_k(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in + 80);
    put_half(out + 32, lane, in + 82);
    for (size_t g = 0; g < 16; ++g) out[64 + 16 * g + lane] = in[g];
    for (size_t b = 0; b < 8; ++b)
      put_two_bits(out + 320 + 128 * b, lane, [&](size_t j) { return plane_two_bits(in + 16, b, j); });
  });
}

void pack_q3_k(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in + 108);
    for (unsigned g = 0; g < 16; ++g) out[32 + 16 * g + lane] = static_cast<Byte>(blocks::q3_k_scale(in + 96, g));
    for (size_t b = 0; b < 8; ++b)
      put_three_bits(out + 288 + 192 * b, lane, [&](size_t j) {
        return plane_two_bits(in + 32, b, j) | (dword(in + 4 * j) >> b & bytes4(1)) << 2;
      });
  });
}

// Q4_K, and Q5_K with its fifth bits. GGUF pairs blocks 2g and 2g + 1 in a byte.
template <bool kHigh>
void pack_q45_k(const Byte* const* rows, Byte* out) noexcept {
  constexpr size_t kBlock = kHigh ? 320 : 256;
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in);
    put_half(out + 32, lane, in + 2);
    for (unsigned g = 0; g < 8; ++g) {
      const blocks::ScaleMin s = blocks::k_scale_min(in + 4, g);
      out[64 + 16 * g + lane] = static_cast<Byte>(s.scale);
      out[192 + 16 * g + lane] = static_cast<Byte>(s.min);
    }
    for (size_t b = 0; b < 8; ++b) {
      Byte* block = out + 320 + kBlock * b;
      const Byte* n = in + (kHigh ? 48 : 16) + 32 * (b / 2);
      const auto nibble = [&](size_t j) { return dword(n + 4 * j) >> 4 * (b % 2) & bytes4(15); };
      if constexpr (!kHigh) put_nibbles(block, lane, nibble);
      else put_five_bits(block, lane, [&](size_t j) { return nibble(j) | (dword(in + 16 + 4 * j) >> b & bytes4(1)) << 4; });
    }
  });
}

void pack_q6_k(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in + 208);
    for (size_t g = 0; g < 16; ++g) out[32 + 16 * g + lane] = in[192 + g];
    for (size_t b = 0; b < 8; ++b) {
      const size_t part = b / 4, quarter = b % 4;
      const Byte *low = in + 64 * part + 32 * (quarter % 2), *high = in + 128 + 32 * part;
      put_six_bits(out + 288 + 384 * b, lane, [&](size_t j) {
        return (dword(low + 4 * j) >> 4 * (quarter / 2) & bytes4(15)) |
               (dword(high + 4 * j) >> 2 * quarter & bytes4(3)) << 4;
      });
    }
  });
}

void pack_iq4_xs(const Byte* const* rows, Byte* out) noexcept {
  each_lane(rows, [&](size_t lane, const Byte* in) {
    put_half(out, lane, in);
    for (unsigned g = 0; g < 8; ++g) out[32 + 16 * g + lane] = static_cast<Byte>(blocks::iq4_xs_scale(in, g));
    for (size_t b = 0; b < 8; ++b)
      for (size_t j = 0; j < 4; ++j) put(out + 160 + 256 * b + 64 * j, lane, dword(in + 8 + 16 * b + 4 * j));
  });
}

// Types that are scale times integer, as integers (Int8Panel).
constexpr size_t kInt8Bytes = 640;  // of 32 k

template <blocks::Unpack kUnpack, size_t kValues>
void pack_int8(const Byte* const* rows, Byte* out) noexcept {
  blocks::Quants quants;
  each_lane(rows, [&](size_t lane, const Byte* in) {
    kUnpack(in, quants);
    for (size_t b = 0; b < kValues / 32; ++b) {
      Byte* unit = out + kInt8Bytes * b;
      for (size_t half = 0; half < 2; ++half)
        std::memcpy(unit + 64 * half + 4 * lane, &quants.scale[2 * b + half], 4);
      for (size_t j = 0; j < 8; ++j) {
        uint32_t four;
        std::memcpy(&four, quants.q + 32 * b + 4 * j, 4);
        put(unit + 128 + 64 * j, lane, four ^ bytes4(0x80));
      }
    }
  });
}
template <blocks::Unpack kUnpack, size_t kValues>
constexpr BlockPacker as_int8(DType dtype) {
  return {dtype, Pack::kInt8, kValues, kValues / 32 * kInt8Bytes, false, pack_int8<kUnpack, kValues>};
}

constexpr BlockPacker kBlockPackers[] = {
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
    as_int8<blocks::unpack_iq1_s, 256>(DType::kIQ1_S),
    as_int8<blocks::unpack_iq1_m, 256>(DType::kIQ1_M),
    as_int8<blocks::unpack_iq2_xxs, 256>(DType::kIQ2_XXS),
    as_int8<blocks::unpack_iq2_xs, 256>(DType::kIQ2_XS),
    as_int8<blocks::unpack_iq2_s, 256>(DType::kIQ2_S),
    as_int8<blocks::unpack_iq3_xxs, 256>(DType::kIQ3_XXS),
    as_int8<blocks::unpack_iq3_s, 256>(DType::kIQ3_S),
    as_int8<blocks::unpack_tq1_0, 256>(DType::kTQ1_0),
    as_int8<blocks::unpack_tq2_0, 256>(DType::kTQ2_0),
    as_int8<blocks::unpack_q1_0, 128>(DType::kQ1_0),
    as_int8<blocks::unpack_q2_0, 64>(DType::kQ2_0),
    as_int8<blocks::unpack_mxfp4, 32>(DType::kMXFP4),
    as_int8<blocks::unpack_nvfp4, 64>(DType::kNVFP4),
};

}  // namespace

const BlockPacker* find_packer(DType dtype) noexcept {
  for (const BlockPacker& packer : kBlockPackers)
    if (packer.dtype == dtype) return &packer;
  return nullptr;
}

}  // namespace rwkv::cpu
