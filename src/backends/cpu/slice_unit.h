// Where the parts of matrices that are stored by unit lie (kernels/linear_slices.inl.h). Plain and always inlined: the units
// of isa/ include it, and must not bring code that others link.
#pragma once

#include <stddef.h>

namespace rwkv::cpu {

constexpr size_t kSliceOutputs = 128;

// A unit, 32 k of kSliceOutputs outputs: a line of 64 bytes of the head, some lines of weights, and again. So few of the
// lines that are read are neighbours: two that follow each other tell the core of a stream, and it fetches more that nobody
// reads. kTail: bytes of each eight units, for scales of scales; they lie behind them, a line at a time.
// A line of weights: k's bytes of 64 outputs, and kHalf further on those of the others; or kLow = 4 bits of outputs o and
// 64 + o in a byte. Lines of kHigh bits more, of 4 / kHigh k each, lie amid lines of other k.
template <size_t kHeadBytes, size_t kLowBits, size_t kHighBits = 0, size_t kTailBytes = 0>
struct SliceUnit {
  static constexpr size_t kHead = kHeadBytes, kLow = kLowBits, kHigh = kHighBits, kTail = kTailBytes;
  static constexpr size_t kHeadLines = kHead / 64, kLines = 8 * kLow / kHeadLines, kHighLines = 8 * kHigh / kHeadLines;  // of each part
  static constexpr size_t kPart = 64 * (1 + kLines + kHighLines), kBytes = kHeadLines * kPart, kEight = 8 * kBytes + kTail;
  static constexpr size_t kHalf = 32 / kLines * kPart;
  static constexpr size_t kEvery = kHigh > 0 ? kLow / kHigh : 1;          // so many lines have one of high bits
  static constexpr size_t kTailEvery = kTail > 0 ? 512 / kTail : 1;       // so many units have a line of the tail
  static_assert(kHead % 64 == 0 && 8 * kLow % kHeadLines == 0 && 8 * kHigh % kHeadLines == 0 && (kTail == 0 || 512 % kTail == 0));

  [[gnu::always_inline]] static constexpr size_t unit_at(size_t block) {
    return block * kBytes + (kTail > 0 ? block / kTailEvery * 64 : 0);
  }
  // A byte of the tail of the eight to which `block` belongs.
  [[gnu::always_inline]] static constexpr size_t tail_at(size_t block, size_t byte) {
    return unit_at(block / 8 * 8 + (byte / 64 + 1) * kTailEvery - 1) + kBytes + byte % 64;
  }
  // Of a unit:
  [[gnu::always_inline]] static constexpr size_t head_at(size_t byte) { return byte / 64 * kPart + byte % 64; }
  [[gnu::always_inline]] static constexpr size_t row_at(size_t k) {
    const size_t i = k % kLines;
    return k / kLines * kPart + 64 * (1 + i + (kHigh > 0 ? (i + kEvery / 2) / kEvery : 0));
  }
  [[gnu::always_inline]] static constexpr size_t high_at(size_t k) {
    const size_t line = k * kHigh / 4 ^ 1, i = line % kHighLines;
    return line / kHighLines * kPart + 64 * (1 + i * kEvery + kEvery / 2 + i);
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
