#include "backends/cpu/packed_slices.h"

#include <cstring>

#include "backends/cpu/slice_unit.h"
#include "tensor/blocks/blocks.h"

namespace rwkv::cpu {
namespace {

using blocks::Byte;

// Where output o lies in 64 bytes of a row.
size_t place(size_t o) noexcept { return o % 16 / 4 * 16 + o % 64 / 16 * 4 + o % 4; }

// The i-th scale (or minimum) of output o.
Byte* half_at(Byte* halves, size_t i, size_t o) noexcept { return halves + 2 * (kSliceOutputs * i + o); }
const Byte* half_at(const Byte* halves, size_t i, size_t o) noexcept { return halves + 2 * (kSliceOutputs * i + o); }

size_t byte_at(size_t k, size_t o) noexcept { return Slice8Unit::row_at(k) + o / 64 * Slice8Unit::kHalf + place(o); }
void slice_q8_0(const Byte* in, size_t o, Byte* head, Byte* rows) noexcept {
  std::memcpy(half_at(head, 0, o), in, 2);
  for (size_t k = 0; k < 32; ++k) rows[byte_at(k, o)] = in[2 + k] ^ Byte{0x80};
}
void unslice_q8_0(const Byte* head, const Byte* rows, size_t o, Byte* block) noexcept {
  std::memcpy(block, half_at(head, 0, o), 2);
  for (size_t k = 0; k < 32; ++k) block[2 + k] = rows[byte_at(k, o)] ^ Byte{0x80};
}

// A weight of fewer bits.
template <class Unit>
void put_weight(size_t k, size_t o, unsigned weight, Byte* rows) noexcept {
  const size_t second = o / 64;
  rows[Unit::row_at(k) + place(o)] |= static_cast<Byte>((weight & 15) << 4 * second);
  if constexpr (Unit::kHigh > 0)
    rows[Unit::high_at(k) + place(o)] |= static_cast<Byte>(weight >> 4 << (Unit::high_shift(k) + second * Unit::kHigh));
}
template <class Unit>
unsigned get_weight(size_t k, size_t o, const Byte* rows) noexcept {
  const size_t second = o / 64;
  unsigned weight = blocks::u8(rows + Unit::row_at(k) + place(o)) >> 4 * second & 15;
  if constexpr (Unit::kHigh > 0) {
    const unsigned high = blocks::u8(rows + Unit::high_at(k) + place(o)) >> (Unit::high_shift(k) + second * Unit::kHigh);
    weight |= (high & ((1 << Unit::kHigh) - 1)) << 4;
  }
  return weight;
}

// Blocks of 32: the scale, or scale and minimum (kHalves); fifth bits; nibbles.
template <class Unit>
constexpr size_t kHalves = Unit::kHead / (2 * kSliceOutputs);
template <class Unit>
void slice_q45(const Byte* in, size_t o, Byte* head, Byte* rows) noexcept {
  for (size_t i = 0; i < kHalves<Unit>; ++i) std::memcpy(half_at(head, i, o), in + 2 * i, 2);
  const Byte* const high = in + 2 * kHalves<Unit>;
  const uint32_t fifth = Unit::kHigh > 0 ? blocks::load<uint32_t>(high) : 0;
  for (size_t k = 0; k < 32; ++k) {
    const unsigned nibble = blocks::u8(high + 4 * Unit::kHigh + k % 16) >> k / 16 * 4 & 15;
    put_weight<Unit>(k, o, nibble | (fifth >> k & 1) << 4, rows);
  }
}
template <class Unit>
void unslice_q45(const Byte* head, const Byte* rows, size_t o, Byte* block) noexcept {
  for (size_t i = 0; i < kHalves<Unit>; ++i) std::memcpy(block + 2 * i, half_at(head, i, o), 2);
  Byte* const high = block + 2 * kHalves<Unit>;
  uint32_t fifth = 0;
  std::memset(high + 4 * Unit::kHigh, 0, 16);
  for (size_t k = 0; k < 32; ++k) {
    const unsigned weight = get_weight<Unit>(k, o, rows);
    high[4 * Unit::kHigh + k % 16] |= static_cast<Byte>((weight & 15) << k / 16 * 4);
    fifth |= (weight >> 4) << k;
  }
  if constexpr (Unit::kHigh > 0) std::memcpy(high, &fifth, sizeof fifth);
}

// Blocks of 256, whose scales have scales: some of them at kD. `weight`: of value k of the 32 of `b`; `head`: their scales
// (and minima) in bytes; the others are the reverse, into a block of zeros.
template <class Type>
void slice_256(const Byte* in, size_t o, Byte* heads, Byte* rows) noexcept {
  using Unit = typename Type::Unit;
  for (size_t i = 0; i < Unit::kTail / (2 * kSliceOutputs); ++i)
    std::memcpy(half_at(heads + Unit::tail_at(0), i, o), in + Type::kD + 2 * i, 2);
  for (unsigned b = 0; b < 8; ++b) {
    Type::head(in, b, o, heads + Unit::head_at(b));
    for (size_t k = 0; k < 32; ++k) put_weight<Unit>(k, o, Type::weight(in, b, k), rows + b * Unit::kRowBytes);
  }
}
template <class Type>
void unslice_256(const Byte* heads, const Byte* rows, size_t o, Byte* block) noexcept {
  using Unit = typename Type::Unit;
  std::memset(block, 0, info(Type::kDType).block_bytes);
  for (size_t i = 0; i < Unit::kTail / (2 * kSliceOutputs); ++i)
    std::memcpy(block + Type::kD + 2 * i, half_at(heads + Unit::tail_at(0), i, o), 2);
  for (unsigned b = 0; b < 8; ++b) {
    Type::put_head(heads + Unit::head_at(b), b, o, block);
    for (size_t k = 0; k < 32; ++k) Type::put(get_weight<Unit>(k, o, rows + b * Unit::kRowBytes), b, k, block);
  }
}
unsigned bits(const Byte* byte, unsigned shift, unsigned mask) noexcept { return blocks::u8(byte) >> shift & mask; }
void put_bits(Byte* byte, unsigned shift, unsigned value) noexcept { *byte |= static_cast<Byte>(value << shift); }

// Q4_K and Q5_K: d, dmin; scales and minima; fifth bits; nibbles.
template <DType kTheDType, class TheUnit>
struct Q45_K {
  using Unit = TheUnit;
  static constexpr DType kDType = kTheDType;
  static constexpr size_t kD = 0, kHigh = 16, kNibbles = kHigh + 32 * Unit::kHigh;
  static void head(const Byte* in, unsigned b, size_t o, Byte* to) noexcept {
    const blocks::ScaleMin s = blocks::k_scale_min(in + 4, b);
    to[o] = static_cast<Byte>(s.scale);
    to[kSliceOutputs + o] = static_cast<Byte>(s.min);
  }
  static void put_head(const Byte* from, unsigned b, size_t o, Byte* block) noexcept {
    const Byte scale = from[o], min = from[kSliceOutputs + o];
    if (b < 4) {
      block[4 + b] |= scale;
      block[8 + b] |= min;
      return;
    }
    block[8 + b] |= (scale & Byte{15}) | min << 4;
    block[b] |= (scale >> 4) << 6;
    block[4 + b] |= (min >> 4) << 6;
  }
  static unsigned weight(const Byte* in, unsigned b, size_t k) noexcept {
    const unsigned fifth = Unit::kHigh > 0 ? bits(in + kHigh + k, b, 1) : 0;
    return bits(in + kNibbles + b / 2 * 32 + k, 4 * (b % 2), 15) | fifth << 4;
  }
  static void put(unsigned weight, unsigned b, size_t k, Byte* block) noexcept {
    put_bits(block + kNibbles + b / 2 * 32 + k, 4 * (b % 2), weight & 15);
    if (Unit::kHigh > 0) put_bits(block + kHigh + k, b, weight >> 4);
  }
};
struct IQ4_XS {  // d; two, then four bits of the scales with 32 added; nibbles
  using Unit = Slice4SignedUnit;
  static constexpr DType kDType = DType::kIQ4_XS;
  static constexpr size_t kD = 0, kNibbles = 8;
  static void head(const Byte* in, unsigned b, size_t o, Byte* to) noexcept {
    to[o] = static_cast<Byte>(blocks::iq4_xs_scale(in, b));
  }
  static void put_head(const Byte* from, unsigned b, size_t o, Byte* block) noexcept {
    const auto scale = static_cast<unsigned>(blocks::i8(from + o) + 32);
    put_bits(block + 2 + b / 4, 2 * (b % 4), scale >> 4);
    put_bits(block + 4 + b / 2, 4 * (b % 2), scale & 15);
  }
  static unsigned weight(const Byte* in, unsigned b, size_t k) noexcept {
    return bits(in + kNibbles + 16 * b + k % 16, k < 16 ? 0 : 4, 15);
  }
  static void put(unsigned weight, unsigned b, size_t k, Byte* block) noexcept {
    put_bits(block + kNibbles + 16 * b + k % 16, k < 16 ? 0 : 4, weight);
  }
};
struct Q6_K {  // four bits; two bits; scales of each 16; d
  using Unit = Slice6PairUnit;
  static constexpr DType kDType = DType::kQ6_K;
  static constexpr size_t kHigh = 128, kScales = 192, kD = 208;
  static size_t scale_at(size_t half, size_t o) noexcept { return o / kLanes * 32 + 16 * half + o % kLanes; }
  static void head(const Byte* in, unsigned b, size_t o, Byte* to) noexcept {
    for (size_t half = 0; half < 2; ++half) to[scale_at(half, o)] = in[kScales + 2 * b + half];
  }
  static void put_head(const Byte* from, unsigned b, size_t o, Byte* block) noexcept {
    for (size_t half = 0; half < 2; ++half) block[kScales + 2 * b + half] = from[scale_at(half, o)];
  }
  static size_t low(unsigned b, size_t k) noexcept { return 64 * (b / 4) + 32 * (b % 2) + k; }
  static unsigned weight(const Byte* in, unsigned b, size_t k) noexcept {
    return bits(in + low(b, k), 4 * (b % 4 / 2), 15) | bits(in + kHigh + 32 * (b / 4) + k, 2 * (b % 4), 3) << 4;
  }
  static void put(unsigned weight, unsigned b, size_t k, Byte* block) noexcept {
    put_bits(block + low(b, k), 4 * (b % 4 / 2), weight & 15);
    put_bits(block + kHigh + 32 * (b / 4) + k, 2 * (b % 4), weight >> 4);
  }
};

template <class Unit>
constexpr SlicePacker of_32(DType dtype, Pack pack) {
  return {dtype, pack, 32, Unit::kHead, Unit::kRowBytes, slice_q45<Unit>, unslice_q45<Unit>};
}
template <class Type>
constexpr SlicePacker of_256(Pack pack) {
  return {Type::kDType, pack, 256, Type::Unit::head_at(8), 8 * Type::Unit::kRowBytes, slice_256<Type>, unslice_256<Type>};
}
constexpr SlicePacker kSlicePackers[] = {
    {DType::kQ8_0, Pack::kQ8_0, 32, Slice8Unit::kHead, Slice8Unit::kRowBytes, slice_q8_0, unslice_q8_0},
    of_32<Slice4Unit>(DType::kQ4_0, Pack::kQ4_0),
    of_32<Slice4MinUnit>(DType::kQ4_1, Pack::kQ4_1),
    of_32<Slice5Unit>(DType::kQ5_0, Pack::kQ5_0),
    of_32<Slice5MinUnit>(DType::kQ5_1, Pack::kQ5_1),
    of_32<Slice4Unit>(DType::kIQ4_NL, Pack::kIQ4_NL),
    of_256<Q45_K<DType::kQ4_K, Slice4KUnit>>(Pack::kQ4_K),
    of_256<Q45_K<DType::kQ5_K, Slice5KUnit>>(Pack::kQ5_K),
    of_256<Q6_K>(Pack::kQ6_K),
    of_256<IQ4_XS>(Pack::kIQ4_XS),
};

}  // namespace

const SlicePacker* find_slice_packer(DType dtype) noexcept {
  for (const SlicePacker& packer : kSlicePackers)
    if (packer.dtype == dtype) return &packer;
  return nullptr;
}

}  // namespace rwkv::cpu
