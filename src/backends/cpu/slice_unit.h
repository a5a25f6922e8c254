// Where the parts of matrices that are stored by unit lie (kernels/linear_slices.inl.h). Plain and always inlined: the units
// of isa/ include it, and must not bring code that others link.
#pragma once

#include <stddef.h>

namespace rwkv::cpu {

constexpr size_t kSliceOutputs = 128;

// A slice: the heads (scales) of all its units, 32 k of kSliceOutputs outputs each, then their rows of weights. All heads are
// read, and of rows a few: after two lines of 64 bytes that follow each other the core fetches more of them, which nobody
// may read amid rows. kTail: bytes behind the heads of each eight units, for scales of scales; the number of units is a
// multiple of 8 then.
// A row: 64 bytes of k, and kHalf further on those of the other 64 outputs; or kLow = 4 bits of outputs o and 64 + o in a
// byte. Lines of kHigh bits more, of 4 / kHigh k each, lie amid rows of other k.
template <size_t kHeadBytes, size_t kLowBits, size_t kHighBits = 0, size_t kTailBytes = 0>
struct SliceUnit {
  static constexpr size_t kHead = kHeadBytes, kLow = kLowBits, kHigh = kHighBits, kTail = kTailBytes;
  static constexpr size_t kRowBytes = 64 * 8 * (kLow + kHigh), kHalf = 32 * 64;  // of all rows of a unit
  static constexpr size_t kEvery = kHigh > 0 ? kLow / kHigh : 64;  // so many rows have a line of high bits; 64: none of 32
  static_assert(kHead % 64 == 0 && kTail % 64 == 0 && (kHigh == 0 || kLow == 4));

  // Of a slice:
  [[gnu::always_inline]] static constexpr size_t head_at(size_t block) { return block * kHead + block / 8 * kTail; }
  [[gnu::always_inline]] static constexpr size_t tail_at(size_t block) { return head_at(block / 8 * 8) + 8 * kHead; }
  [[gnu::always_inline]] static constexpr size_t rows_at(size_t n_block, size_t block) {
    return head_at(n_block) + block * kRowBytes;
  }
  // Of a unit's rows:
  [[gnu::always_inline]] static constexpr size_t row_at(size_t k) { return 64 * (k + (k + kEvery / 2) / kEvery); }
  [[gnu::always_inline]] static constexpr size_t high_at(size_t k) {
    const size_t line = k * kHigh / 4 ^ 1;
    return 64 * (line * kEvery + kEvery / 2 + line);
  }
  // The first bit of k in a byte of its line of high bits.
  [[gnu::always_inline]] static constexpr unsigned high_shift(size_t k) { return 2 * kHigh * k % 8; }
};
// Heads: scales of 16 bits; or scales and minima.
using Slice8Unit = SliceUnit<2 * kSliceOutputs, 8>;
using Slice4Unit = SliceUnit<2 * kSliceOutputs, 4>;
using Slice4MinUnit = SliceUnit<4 * kSliceOutputs, 4>;
using Slice5Unit = SliceUnit<2 * kSliceOutputs, 4, 1>;
using Slice5MinUnit = SliceUnit<4 * kSliceOutputs, 4, 1>;
// Heads: bytes, scales and minima, or signed scales, of 32 k or of both 16; tails: d and dmin, or d.
using Slice4KUnit = SliceUnit<2 * kSliceOutputs, 4, 0, 4 * kSliceOutputs>;
using Slice5KUnit = SliceUnit<2 * kSliceOutputs, 4, 1, 4 * kSliceOutputs>;
using Slice4SignedUnit = SliceUnit<kSliceOutputs, 4, 0, 2 * kSliceOutputs>;
using Slice6PairUnit = SliceUnit<2 * kSliceOutputs, 4, 2, 2 * kSliceOutputs>;

// Floats of 16 bits have no head: where output o of k lies in a slice.
[[gnu::always_inline]] constexpr inline size_t float_slice_at(size_t k, size_t o) {
  return 2 * (k / 32 * 32 * kSliceOutputs + o / 32 * 32 * 32 + k % 32 * 32 + o % 32);
}

}  // namespace rwkv::cpu
