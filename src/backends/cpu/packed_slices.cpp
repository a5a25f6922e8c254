#include "backends/cpu/packed_slices.h"

#include <cstring>

#include "backends/cpu/slice_unit.h"
#include "tensor/blocks/blocks.h"

namespace rwkv::cpu {
namespace {

using blocks::Byte;

// Where output o lies in 64 bytes of a row.
size_t place(size_t o) noexcept { return o % 16 / 4 * 16 + o % 64 / 16 * 4 + o % 4; }

template <class Unit>
void put_head(size_t i, size_t o, const Byte* half, Byte* unit) noexcept {
  std::memcpy(unit + Unit::head_at(2 * (kSliceOutputs * i + o)), half, 2);
}
template <class Unit>
void get_head(size_t i, size_t o, const Byte* unit, Byte* half) noexcept {
  std::memcpy(half, unit + Unit::head_at(2 * (kSliceOutputs * i + o)), 2);
}

size_t byte_at(size_t k, size_t o) noexcept { return Slice8Unit::row_at(k) + o / 64 * Slice8Unit::kHalf + place(o); }
void slice_q8_0(const Byte* in, size_t o, Byte* unit) noexcept {
  put_head<Slice8Unit>(0, o, in, unit);
  for (size_t k = 0; k < 32; ++k) unit[byte_at(k, o)] = in[2 + k] ^ Byte{0x80};
}
void unslice_q8_0(const Byte* unit, size_t o, Byte* block) noexcept {
  get_head<Slice8Unit>(0, o, unit, block);
  for (size_t k = 0; k < 32; ++k) block[2 + k] = unit[byte_at(k, o)] ^ Byte{0x80};
}

// A weight of fewer bits.
template <class Unit>
void put_weight(size_t k, size_t o, unsigned weight, Byte* unit) noexcept {
  constexpr unsigned kMask = (1 << Unit::kLow) - 1;
  const size_t second = o / 64;
  unit[Unit::row_at(k) + place(o)] |= static_cast<Byte>((weight & kMask) << (Unit::row_shift(k) + second * Unit::kLow));
  if constexpr (Unit::kHigh > 0)
    unit[Unit::high_at(k) + place(o)] |= static_cast<Byte>(weight >> Unit::kLow << (Unit::high_shift(k) + second * Unit::kHigh));
}
template <class Unit>
unsigned get_weight(size_t k, size_t o, const Byte* unit) noexcept {
  constexpr unsigned kMask = (1 << Unit::kLow) - 1, kHighMask = (1 << Unit::kHigh) - 1;
  const size_t second = o / 64;
  unsigned weight = blocks::u8(unit + Unit::row_at(k) + place(o)) >> (Unit::row_shift(k) + second * Unit::kLow) & kMask;
  if constexpr (Unit::kHigh > 0)
    weight |= (blocks::u8(unit + Unit::high_at(k) + place(o)) >> (Unit::high_shift(k) + second * Unit::kHigh) & kHighMask) << Unit::kLow;
  return weight;
}

// Blocks of 32: the scale, or scale and minimum (kHalves); fifth bits; nibbles.
template <class Unit>
constexpr size_t kHalves = Unit::kHead / (2 * kSliceOutputs);
template <class Unit>
void slice_q45(const Byte* in, size_t o, Byte* unit) noexcept {
  for (size_t i = 0; i < kHalves<Unit>; ++i) put_head<Unit>(i, o, in + 2 * i, unit);
  const Byte* const high = in + 2 * kHalves<Unit>;
  const uint32_t fifth = Unit::kHigh > 0 ? blocks::load<uint32_t>(high) : 0;
  for (size_t k = 0; k < 32; ++k) {
    const unsigned nibble = blocks::u8(high + 4 * Unit::kHigh + k % 16) >> k / 16 * 4 & 15;
    put_weight<Unit>(k, o, nibble | (fifth >> k & 1) << 4, unit);
  }
}
template <class Unit>
void unslice_q45(const Byte* unit, size_t o, Byte* block) noexcept {
  for (size_t i = 0; i < kHalves<Unit>; ++i) get_head<Unit>(i, o, unit, block + 2 * i);
  Byte* const high = block + 2 * kHalves<Unit>;
  uint32_t fifth = 0;
  std::memset(high + 4 * Unit::kHigh, 0, 16);
  for (size_t k = 0; k < 32; ++k) {
    const unsigned weight = get_weight<Unit>(k, o, unit);
    high[4 * Unit::kHigh + k % 16] |= static_cast<Byte>((weight & 15) << k / 16 * 4);
    fifth |= (weight >> 4) << k;
  }
  if constexpr (Unit::kHigh > 0) std::memcpy(high, &fifth, sizeof fifth);
}

// Blocks of 256, whose scales have scales: where the i-th of them lies.
template <class Unit>
size_t tail_at(size_t i, size_t o) noexcept {
  return Unit::tail_at(0, 2 * (kSliceOutputs * i + o));
}
// d, dmin, scales and minima; fifth bits; nibbles.
template <class Unit>
void slice_q45_k(const Byte* in, size_t o, Byte* out) noexcept {
  std::memcpy(out + tail_at<Unit>(0, o), in, 2);
  std::memcpy(out + tail_at<Unit>(1, o), in + 2, 2);
  const Byte *const high = in + 16, *const nibbles = high + 32 * Unit::kHigh;
  for (unsigned b = 0; b < 8; ++b) {
    Byte* const unit = out + Unit::unit_at(b);
    const blocks::ScaleMin s = blocks::k_scale_min(in + 4, b);
    unit[Unit::head_at(o)] = static_cast<Byte>(s.scale);
    unit[Unit::head_at(kSliceOutputs + o)] = static_cast<Byte>(s.min);
    for (size_t k = 0; k < 32; ++k) {
      const unsigned fifth = Unit::kHigh > 0 ? blocks::u8(high + k) >> b & 1 : 0;
      put_weight<Unit>(k, o, (blocks::u8(nibbles + b / 2 * 32 + k) >> 4 * (b % 2) & 15) | fifth << 4, unit);
    }
  }
}
template <class Unit>
void unslice_q45_k(const Byte* slice, size_t o, Byte* block) noexcept {
  std::memset(block, 0, 144 + 32 * Unit::kHigh);
  std::memcpy(block, slice + tail_at<Unit>(0, o), 2);
  std::memcpy(block + 2, slice + tail_at<Unit>(1, o), 2);
  Byte *const high = block + 16, *const nibbles = high + 32 * Unit::kHigh;
  for (unsigned b = 0; b < 8; ++b) {
    const Byte* const unit = slice + Unit::unit_at(b);
    const Byte scale = unit[Unit::head_at(o)], min = unit[Unit::head_at(kSliceOutputs + o)];
    if (b < 4) {
      block[4 + b] |= scale;
      block[8 + b] |= min;
    } else {
      block[8 + b] |= (scale & Byte{15}) | min << 4;
      block[b] |= (scale >> 4) << 6;
      block[4 + b] |= (min >> 4) << 6;
    }
    for (size_t k = 0; k < 32; ++k) {
      const unsigned weight = get_weight<Unit>(k, o, unit);
      nibbles[b / 2 * 32 + k] |= static_cast<Byte>((weight & 15) << 4 * (b % 2));
      if constexpr (Unit::kHigh > 0) high[k] |= static_cast<Byte>(weight >> 4 << b);
    }
  }
}

// d, two and four bits of the scales with 32 added; nibbles.
void slice_iq4_xs(const Byte* in, size_t o, Byte* out) noexcept {
  using Unit = Slice4SignedUnit;
  std::memcpy(out + tail_at<Unit>(0, o), in, 2);
  for (unsigned b = 0; b < 8; ++b) {
    Byte* const unit = out + Unit::unit_at(b);
    unit[Unit::head_at(o)] = static_cast<Byte>(blocks::iq4_xs_scale(in, b));
    for (size_t k = 0; k < 32; ++k)
      put_weight<Unit>(k, o, blocks::u8(in + 8 + 16 * b + k % 16) >> k / 16 * 4 & 15, unit);
  }
}
void unslice_iq4_xs(const Byte* slice, size_t o, Byte* block) noexcept {
  using Unit = Slice4SignedUnit;
  std::memset(block, 0, 136);
  std::memcpy(block, slice + tail_at<Unit>(0, o), 2);
  for (unsigned b = 0; b < 8; ++b) {
    const Byte* const unit = slice + Unit::unit_at(b);
    const auto scale = static_cast<unsigned>(blocks::i8(unit + Unit::head_at(o)) + 32);
    block[2 + b / 4] |= static_cast<Byte>(scale >> 4 << 2 * (b % 4));
    block[4 + b / 2] |= static_cast<Byte>((scale & 15) << 4 * (b % 2));
    for (size_t k = 0; k < 32; ++k)
      block[8 + 16 * b + k % 16] |= static_cast<Byte>(get_weight<Unit>(k, o, unit) << k / 16 * 4);
  }
}

template <class Unit>
constexpr SlicePacker of_32(DType dtype, Pack pack) {
  return {dtype, pack, 32, Unit::kBytes, slice_q45<Unit>, unslice_q45<Unit>};
}
template <class Unit>
constexpr SlicePacker of_256(DType dtype, Pack pack) {
  return {dtype, pack, 256, Unit::kEight, slice_q45_k<Unit>, unslice_q45_k<Unit>};
}
constexpr SlicePacker kSlicePackers[] = {
    {DType::kQ8_0, Pack::kQ8_0, 32, Slice8Unit::kBytes, slice_q8_0, unslice_q8_0},
    of_32<Slice4Unit>(DType::kQ4_0, Pack::kQ4_0),
    of_32<Slice4MinUnit>(DType::kQ4_1, Pack::kQ4_1),
    of_32<Slice5Unit>(DType::kQ5_0, Pack::kQ5_0),
    of_32<Slice5MinUnit>(DType::kQ5_1, Pack::kQ5_1),
    of_256<Slice4KUnit>(DType::kQ4_K, Pack::kQ4_K),
    of_256<Slice5KUnit>(DType::kQ5_K, Pack::kQ5_K),
    of_32<Slice4Unit>(DType::kIQ4_NL, Pack::kIQ4_NL),
    {DType::kIQ4_XS, Pack::kIQ4_XS, 256, Slice4SignedUnit::kEight, slice_iq4_xs, unslice_iq4_xs},
};

}  // namespace

const SlicePacker* find_slice_packer(DType dtype) noexcept {
  for (const SlicePacker& packer : kSlicePackers)
    if (packer.dtype == dtype) return &packer;
  return nullptr;
}

}  // namespace rwkv::cpu
