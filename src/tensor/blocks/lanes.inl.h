// kWidth floats at once, in the compilers' own vectors: encoders look at so many groups of values side by side,
// one a lane, so that a search of scales needs no sums across lanes. Plain IEEE operations: the same bits on
// every machine and for every width.

using Floats = float __attribute__((vector_size(4 * kWidth)));
using Ints = int32_t __attribute__((vector_size(4 * kWidth)));

inline Floats splat(float v) noexcept { return v - Floats{}; }
inline Floats min(Floats a, Floats b) noexcept { return a < b ? a : b; }
inline Floats max(Floats a, Floats b) noexcept { return a > b ? a : b; }
inline Floats clamp(Floats v, Floats low, Floats high) noexcept { return min(max(v, low), high); }
inline Floats abs(Floats v) noexcept { return reinterpret_cast<Floats>(reinterpret_cast<Ints>(v) & 0x7fffffff); }
// Per lane: a where the comparison that made `mask` holds, else b.
inline Floats select(Ints mask, Floats a, Floats b) noexcept {
  const Ints x = reinterpret_cast<Ints>(a), y = reinterpret_cast<Ints>(b);
  return reinterpret_cast<Floats>(y ^ ((x ^ y) & mask));
}
inline bool any(Ints mask) noexcept {
  int32_t all = 0;
  for (size_t lane = 0; lane < kWidth; ++lane) all |= mask[lane];
  return all != 0;
}
// To the nearest integer, ties to even; |v| < 2^22.
inline Floats nearest(Floats v) noexcept {
  constexpr float kShift = 12582912;  // 1.5 * 2^23: the last bit is worth 1
  return (v + kShift) - kShift;
}
inline Ints to_int(Floats v) noexcept { return __builtin_convertvector(v, Ints); }
inline Floats to_float(Ints v) noexcept { return __builtin_convertvector(v, Floats); }
inline Floats reciprocal(Floats v) noexcept {  // 0 of 0
  const Ints none = v == 0.0f;
  return select(none, splat(0), 1.0f / select(none, splat(1), v));
}
inline Floats divide(Floats a, Floats b) noexcept { return a * reciprocal(b); }
// The nearest finite half float, subnormal ones included.
inline Floats to_half(Floats v) noexcept {
  v = clamp(v, splat(-65504), splat(65504));
  const Ints bits = reinterpret_cast<Ints>(v);
  const Ints normal = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fff;
  const Floats tiny = (v + 0.75f) - 0.75f;  // the last bit of 0.75 is worth 2^-24
  return select(abs(v) < 0x1p-14f, tiny, reinterpret_cast<Floats>(normal));
}
