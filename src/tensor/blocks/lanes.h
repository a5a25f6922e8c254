// Four floats at once, in the compilers' own vectors: encoders look at four groups of values side by side,
// one a lane, so that a search of scales needs no sums across lanes. Plain IEEE operations: the same bits on
// every machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rwkv::blocks {

using F4 = float __attribute__((vector_size(16)));
using I4 = int32_t __attribute__((vector_size(16)));

inline F4 splat(float v) noexcept { return F4{v, v, v, v}; }
inline F4 min(F4 a, F4 b) noexcept { return a < b ? a : b; }
inline F4 max(F4 a, F4 b) noexcept { return a > b ? a : b; }
inline F4 clamp(F4 v, F4 low, F4 high) noexcept { return min(max(v, low), high); }
inline F4 abs(F4 v) noexcept { return reinterpret_cast<F4>(reinterpret_cast<I4>(v) & 0x7fffffff); }
// Per lane: a where the comparison that made `mask` holds, else b.
inline F4 select(I4 mask, F4 a, F4 b) noexcept {
  const I4 x = reinterpret_cast<I4>(a), y = reinterpret_cast<I4>(b);
  return reinterpret_cast<F4>(y ^ ((x ^ y) & mask));
}
inline bool any(I4 mask) noexcept { return (mask[0] | mask[1] | mask[2] | mask[3]) != 0; }
// To the nearest integer, ties to even; |v| < 2^22.
inline F4 nearest(F4 v) noexcept {
  constexpr float kShift = 12582912;  // 1.5 * 2^23: the last bit is worth 1
  return (v + kShift) - kShift;
}
inline I4 to_int(F4 v) noexcept { return __builtin_convertvector(v, I4); }
inline F4 to_float(I4 v) noexcept { return __builtin_convertvector(v, F4); }
inline F4 reciprocal(F4 v) noexcept {  // 0 of 0
  const I4 none = v == 0.0f;
  return select(none, splat(0), 1.0f / select(none, splat(1), v));
}
inline F4 divide(F4 a, F4 b) noexcept { return a * reciprocal(b); }
// The nearest finite half float, subnormal ones included.
inline F4 to_half(F4 v) noexcept {
  v = clamp(v, splat(-65504), splat(65504));
  const I4 bits = reinterpret_cast<I4>(v);
  const I4 normal = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fff;
  const F4 tiny = (v + 0.75f) - 0.75f;  // the last bit of 0.75 is worth 2^-24
  return select(abs(v) < 0x1p-14f, tiny, reinterpret_cast<F4>(normal));
}

}  // namespace rwkv::blocks
