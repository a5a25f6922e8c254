#include "backends/cpu/packed_slices.h"

#include "backends/cpu/packed_blocks.h"
#include "tensor/blocks/blocks.h"

namespace rwkv::cpu {
namespace {

using blocks::Byte;

constexpr size_t kNibbleRow = kSliceOutputs / 2;

// Where output o (< 64) lies in 64 bytes of a row.
size_t place(size_t o) noexcept { return o % 16 / 4 * 16 + o / 16 * 4 + o % 4; }

void slice_q8_0(const Byte* in, size_t o, Byte* out) noexcept {
  put_half(out, o, in);
  Byte* at = out + 2 * kSliceOutputs + o / 64 * 64 + place(o % 64);
  for (size_t k = 0; k < 32; ++k) at[kSliceOutputs * k] = in[2 + k] ^ Byte{0x80};
}

void unslice_q8_0(const Byte* unit, size_t o, Byte* block) noexcept {
  std::memcpy(block, unit + 2 * o, 2);
  const Byte* at = unit + 2 * kSliceOutputs + o / 64 * 64 + place(o % 64);
  for (size_t k = 0; k < 32; ++k) block[2 + k] = at[kSliceOutputs * k] ^ Byte{0x80};
}

// 16 rows from the low (shift 0) or high nibbles of `in`.
void put_nibbles(const Byte* in, unsigned shift, size_t o, Byte* rows) noexcept {
  Byte* at = rows + place(o % 64);
  for (size_t k = 0; k < 16; ++k) at[kNibbleRow * k] |= (in[k] >> shift & Byte{15}) << (o < 64 ? 0 : 4);
}
// kHalves before the nibbles: the scale, or scale and minimum.
template <size_t kHalves>
void slice_q4(const Byte* in, size_t o, Byte* out) noexcept {
  for (size_t i = 0; i < kHalves; ++i) put_half(out + 2 * kSliceOutputs * i, o, in + 2 * i);
  Byte* rows = out + 2 * kSliceOutputs * kHalves;
  put_nibbles(in + 2 * kHalves, 0, o, rows);
  put_nibbles(in + 2 * kHalves, 4, o, rows + 16 * kNibbleRow);
}

template <size_t kHalves>
void unslice_q4(const Byte* unit, size_t o, Byte* block) noexcept {
  for (size_t i = 0; i < kHalves; ++i) std::memcpy(block + 2 * i, unit + 2 * (kSliceOutputs * i + o), 2);
  const Byte* at = unit + 2 * kSliceOutputs * kHalves + place(o % 64);
  const unsigned shift = o < 64 ? 0 : 4;
  for (size_t k = 0; k < 16; ++k)
    block[2 * kHalves + k] = (at[kNibbleRow * k] >> shift & Byte{15}) | (at[kNibbleRow * (16 + k)] >> shift & Byte{15}) << 4;
}

constexpr SlicePacker kSlicePackers[] = {
    {DType::kQ8_0, Pack::kQ8_0, 34 * kSliceOutputs, slice_q8_0, unslice_q8_0},
    {DType::kQ4_0, Pack::kQ4_0, 18 * kSliceOutputs, slice_q4<1>, unslice_q4<1>},
    {DType::kQ4_1, Pack::kQ4_1, 20 * kSliceOutputs, slice_q4<2>, unslice_q4<2>},
    {DType::kIQ4_NL, Pack::kIQ4_NL, 18 * kSliceOutputs, slice_q4<1>, unslice_q4<1>},
};

}  // namespace

const SlicePacker* find_slice_packer(DType dtype) noexcept {
  for (const SlicePacker& packer : kSlicePackers)
    if (packer.dtype == dtype) return &packer;
  return nullptr;
}

}  // namespace rwkv::cpu
