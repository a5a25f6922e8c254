#include "backends/cpu/packed_slices.h"

#include <cstring>

#include "tensor/blocks/blocks.h"

namespace rwkv::cpu {
namespace {

using blocks::Byte;

// Where output o (< 64) lies in 64 bytes of a row.
size_t place(size_t o) noexcept { return o % 16 / 4 * 16 + o / 16 * 4 + o % 4; }

template <class Unit>
void put_head(size_t i, size_t o, const Byte* half, Byte* unit) noexcept {
  std::memcpy(unit + Unit::head_at(2 * (kSliceOutputs * i + o)), half, 2);
}
template <class Unit>
void get_head(size_t i, size_t o, const Byte* unit, Byte* half) noexcept {
  std::memcpy(half, unit + Unit::head_at(2 * (kSliceOutputs * i + o)), 2);
}

size_t byte_at(size_t k, size_t o) noexcept { return Slice8Unit::row_at(k) + o / 64 * Slice8Unit::kHalf + place(o % 64); }
void slice_q8_0(const Byte* in, size_t o, Byte* unit) noexcept {
  put_head<Slice8Unit>(0, o, in, unit);
  for (size_t k = 0; k < 32; ++k) unit[byte_at(k, o)] = in[2 + k] ^ Byte{0x80};
}
void unslice_q8_0(const Byte* unit, size_t o, Byte* block) noexcept {
  get_head<Slice8Unit>(0, o, unit, block);
  for (size_t k = 0; k < 32; ++k) block[2 + k] = unit[byte_at(k, o)] ^ Byte{0x80};
}

// kHalves before the nibbles: the scale, or scale and minimum.
template <class Unit>
constexpr size_t kHalves = Unit::kHead / (2 * kSliceOutputs);
template <class Unit>
void slice_q4(const Byte* in, size_t o, Byte* unit) noexcept {
  for (size_t i = 0; i < kHalves<Unit>; ++i) put_head<Unit>(i, o, in + 2 * i, unit);
  const unsigned shift = o < 64 ? 0 : 4;
  for (size_t k = 0; k < 32; ++k) {
    const Byte both = in[2 * kHalves<Unit> + k % 16], nibble = k < 16 ? both & Byte{15} : both >> 4;
    unit[Unit::row_at(k) + place(o % 64)] |= nibble << shift;
  }
}
template <class Unit>
void unslice_q4(const Byte* unit, size_t o, Byte* block) noexcept {
  for (size_t i = 0; i < kHalves<Unit>; ++i) get_head<Unit>(i, o, unit, block + 2 * i);
  const unsigned shift = o < 64 ? 0 : 4;
  const auto nibble = [&](size_t k) { return unit[Unit::row_at(k) + place(o % 64)] >> shift & Byte{15}; };
  for (size_t k = 0; k < 16; ++k) block[2 * kHalves<Unit> + k] = nibble(k) | nibble(16 + k) << 4;
}

void slice_q4_k(const Byte* in, size_t o, Byte* out) noexcept {
  using Unit = Slice4KUnit;
  std::memcpy(out + o / 32 * Unit::kBytes + Unit::kTailAt + o % 32 * 2, in, 2);
  std::memcpy(out + (4 + o / 32) * Unit::kBytes + Unit::kTailAt + o % 32 * 2, in + 2, 2);
  for (unsigned b = 0; b < 8; ++b) {
    Byte* unit = out + b * Unit::kBytes;
    const blocks::ScaleMin s = blocks::k_scale_min(in + 4, b);
    unit[Unit::head_at(o)] = static_cast<Byte>(s.scale);
    unit[Unit::head_at(kSliceOutputs + o)] = static_cast<Byte>(s.min);
    for (size_t k = 0; k < 32; ++k)
      unit[Unit::row_at(k) + place(o % 64)] |= (in[16 + b / 2 * 32 + k] >> 4 * (b % 2) & Byte{15}) << (o < 64 ? 0 : 4);
  }
}
void unslice_q4_k(const Byte* slice, size_t o, Byte* block) noexcept {
  using Unit = Slice4KUnit;
  std::memset(block, 0, 144);
  std::memcpy(block, slice + o / 32 * Unit::kBytes + Unit::kTailAt + o % 32 * 2, 2);
  std::memcpy(block + 2, slice + (4 + o / 32) * Unit::kBytes + Unit::kTailAt + o % 32 * 2, 2);
  for (unsigned b = 0; b < 8; ++b) {
    const Byte* unit = slice + b * Unit::kBytes;
    const Byte scale = unit[Unit::head_at(o)], min = unit[Unit::head_at(kSliceOutputs + o)];
    if (b < 4) {
      block[4 + b] |= scale;
      block[8 + b] |= min;
    } else {
      block[8 + b] |= (scale & Byte{15}) | min << 4;
      block[b] |= (scale >> 4) << 6;
      block[4 + b] |= (min >> 4) << 6;
    }
    for (size_t k = 0; k < 32; ++k)
      block[16 + b / 2 * 32 + k] |= (unit[Unit::row_at(k) + place(o % 64)] >> (o < 64 ? 0 : 4) & Byte{15}) << 4 * (b % 2);
  }
}

constexpr SlicePacker kSlicePackers[] = {
    {DType::kQ8_0, Pack::kQ8_0, 32, Slice8Unit::kBytes, slice_q8_0, unslice_q8_0},
    {DType::kQ4_0, Pack::kQ4_0, 32, Slice4Unit::kBytes, slice_q4<Slice4Unit>, unslice_q4<Slice4Unit>},
    {DType::kQ4_1, Pack::kQ4_1, 32, Slice4MinUnit::kBytes, slice_q4<Slice4MinUnit>, unslice_q4<Slice4MinUnit>},
    {DType::kQ4_K, Pack::kQ4_K, 256, 8 * Slice4KUnit::kBytes, slice_q4_k, unslice_q4_k},
    {DType::kIQ4_NL, Pack::kIQ4_NL, 32, Slice4Unit::kBytes, slice_q4<Slice4Unit>, unslice_q4<Slice4Unit>},
};

}  // namespace

const SlicePacker* find_slice_packer(DType dtype) noexcept {
  for (const SlicePacker& packer : kSlicePackers)
    if (packer.dtype == dtype) return &packer;
  return nullptr;
}

}  // namespace rwkv::cpu
