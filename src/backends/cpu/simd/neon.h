// Vec = 16 floats in four NEON registers. Included inside a namespace, after <arm_neon.h>.
struct Vec {
  float32x4_t q[4];
};
struct Mask {
  uint32x4_t q[4];
};
constexpr size_t kPrefillTokens = 4;  // 1 panel x 4 tokens: 16 accumulators + 4 weights of 32 registers
constexpr size_t kPrefillPanels = 1;
constexpr size_t kDecodePanels = 4;

template <typename F>
inline Vec each(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
inline Vec set1(float x) {
  return each([&](int) { return vdupq_n_f32(x); });
}
inline Vec zero() { return set1(0); }
inline Vec load(const float* p) {
  return each([&](int i) { return vld1q_f32(p + 4 * i); });
}
// Loops over the four registers are unrolled by name: at -O2 gcc would keep them, and Vec in memory.
inline void store(float* p, Vec x) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, x.q[i]);
}
inline Vec load_n(const float* p, size_t n) {  // n < 16 values, the rest 0
  float all[16] = {};
  for (size_t i = 0; i < n; ++i) all[i] = p[i];
  return load(all);
}
inline void store_n(float* p, Vec x, size_t n) {
  float all[16];
  store(all, x);
  for (size_t i = 0; i < n; ++i) p[i] = all[i];
}
inline Vec operator+(Vec a, Vec b) {
  return each([&](int i) { return vaddq_f32(a.q[i], b.q[i]); });
}
inline Vec operator-(Vec a, Vec b) {
  return each([&](int i) { return vsubq_f32(a.q[i], b.q[i]); });
}
inline Vec operator*(Vec a, Vec b) {
  return each([&](int i) { return vmulq_f32(a.q[i], b.q[i]); });
}
inline Vec operator/(Vec a, Vec b) {
  return each([&](int i) { return vdivq_f32(a.q[i], b.q[i]); });
}
inline Vec mul_add(Vec a, Vec b, Vec c) {
  return each([&](int i) { return vfmaq_f32(c.q[i], a.q[i], b.q[i]); });
}
inline Vec neg_mul_add(Vec a, Vec b, Vec c) {  // c - a b
  return each([&](int i) { return vfmsq_f32(c.q[i], a.q[i], b.q[i]); });
}
// As on x86: the second operand where the comparison fails, NaN included.
inline Vec max(Vec a, Vec b) {
  return each([&](int i) { return vbslq_f32(vcgtq_f32(a.q[i], b.q[i]), a.q[i], b.q[i]); });
}
inline Vec min(Vec a, Vec b) {
  return each([&](int i) { return vbslq_f32(vcltq_f32(a.q[i], b.q[i]), a.q[i], b.q[i]); });
}
inline Vec round(Vec a) {  // to nearest, ties to even
  return each([&](int i) { return vrndnq_f32(a.q[i]); });
}
inline Vec pow2(Vec n) {  // 2^n for whole n in [-126, 127]
  return each([&](int i) {
    const int32x4_t bits = vaddq_s32(vcvtnq_s32_f32(n.q[i]), vdupq_n_s32(127));
    return vreinterpretq_f32_s32(vshlq_n_s32(bits, 23));
  });
}
inline Vec abs(Vec a) {
  return each([&](int i) { return vabsq_f32(a.q[i]); });
}
inline Mask less(Vec a, Vec b) {
  return {{vcltq_f32(a.q[0], b.q[0]), vcltq_f32(a.q[1], b.q[1]), vcltq_f32(a.q[2], b.q[2]),
           vcltq_f32(a.q[3], b.q[3])}};
}
inline Vec select(Mask m, Vec yes, Vec no) {
  return each([&](int i) { return vbslq_f32(m.q[i], yes.q[i], no.q[i]); });
}
inline Vec load_f16(const uint16_t* p) {
  return each([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
}
inline Vec load_bf16(const uint16_t* p) {
  return each([&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)); });
}
// Of 16 pairs of bf16 those at even, or at odd places.
inline uint32x4_t bf16_pairs(const uint16_t* p) { return vreinterpretq_u32_u16(vld1q_u16(p)); }
inline Vec load_bf16_even(const uint16_t* p) {
  return each([&](int i) { return vreinterpretq_f32_u32(vshlq_n_u32(bf16_pairs(p + 8 * i), 16)); });
}
inline Vec load_bf16_odd(const uint16_t* p) {
  return each([&](int i) {
    return vreinterpretq_f32_u32(vandq_u32(bf16_pairs(p + 8 * i), vdupq_n_u32(0xffff0000u)));
  });
}
inline void prefetch(const void* p) { __builtin_prefetch(p); }
inline void prefetch_far(const void* p) { __asm__ volatile("prfm pldl2keep, [%0]" : : "r"(p)); }  // as in avx2.h

// ---- Integers: 16 lanes of i32, and 64 unsigned bytes (lane o: four neighbouring k of output o).
struct IVec {
  int32x4_t q[4];
};
struct WVec {
  uint8x16_t q[4];
};

template <typename T, typename F>
inline T each_of(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
inline IVec iset1(int32_t x) {
  return each_of<IVec>([&](int) { return vdupq_n_s32(x); });
}
inline IVec operator+(IVec a, IVec b) {
  return each_of<IVec>([&](int i) { return vaddq_s32(a.q[i], b.q[i]); });
}
inline IVec times256(IVec a) {
  return each_of<IVec>([&](int i) { return vshlq_n_s32(a.q[i], 8); });
}
inline Vec to_float(IVec a) {
  return each([&](int i) { return vcvtq_f32_s32(a.q[i]); });
}
inline void store_i32(int32_t* p, Vec x) {  // rounded
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) vst1q_s32(p + 4 * i, vcvtnq_s32_f32(x.q[i]));
}
inline Vec load_u8(const uint8_t* p) {
  float all[16];
  for (int i = 0; i < 16; ++i) all[i] = static_cast<float>(p[i]);
  return load(all);
}
inline Vec load_i8(const uint8_t* p) {
  float all[16];
  for (int i = 0; i < 16; ++i) all[i] = static_cast<float>(static_cast<int8_t>(p[i]));
  return load(all);
}
// A quarter of a vector: a part, for loops whose sums of whole vectors would not fit the registers.
using WPart = uint8x16_t;
using IPart = int32x4_t;
constexpr size_t kParts = 4, kPartBytes = 16;
inline WPart load_part(const uint8_t* p) { return vld1q_u8(p); }
inline void store_part(uint8_t* p, WPart a) { vst1q_u8(p, a); }
inline IPart zero_part() { return vdupq_n_s32(0); }
inline void set_part(IVec& whole, size_t part, IPart a) { whole.q[part] = a; }
// Byte 4 m + i of each becomes the four bytes of lane i of out[m].
inline void interleave(WPart a, WPart b, WPart c, WPart d, WPart* out) {
  const uint16x8_t ab_low = vreinterpretq_u16_u8(vzip1q_u8(a, b)), ab_high = vreinterpretq_u16_u8(vzip2q_u8(a, b));
  const uint16x8_t cd_low = vreinterpretq_u16_u8(vzip1q_u8(c, d)), cd_high = vreinterpretq_u16_u8(vzip2q_u8(c, d));
  out[0] = vreinterpretq_u8_u16(vzip1q_u16(ab_low, cd_low));
  out[1] = vreinterpretq_u8_u16(vzip2q_u16(ab_low, cd_low));
  out[2] = vreinterpretq_u8_u16(vzip1q_u16(ab_high, cd_high));
  out[3] = vreinterpretq_u8_u16(vzip2q_u16(ab_high, cd_high));
}
inline WPart mask(WPart a, uint8_t bits) { return vandq_u8(a, vdupq_n_u8(bits)); }
// On other machines bits move between neighbouring bytes: mask afterwards.
inline WPart shift_right(WPart a, unsigned n) {
  return vshlq_u8(a, vdupq_n_s8(static_cast<int8_t>(-static_cast<int>(n))));
}
inline WPart shift_left(WPart a, unsigned n) { return vshlq_u8(a, vdupq_n_s8(static_cast<int8_t>(n))); }
inline WPart lookup(const uint8_t* table16, WPart index) { return vqtbl1q_u8(vld1q_u8(table16), index); }
#include "backends/cpu/simd/compact.h"
#include "backends/cpu/simd/join.h"
#include "backends/cpu/simd/of_each.h"
#include "backends/cpu/simd/store_bytes.h"
// acc + sum of the four products of each lane; `act` as store_act left it. Weights are at most kLargest.
template <bool kWide, int kLargest>
IPart dot(IPart acc, WPart w, const uint8_t* act);  // neon_*.h
template <bool kWide, int kLargest>
inline IVec dot(IVec acc, WVec w, const uint8_t* act) {
  return each_of<IVec>([&](int i) { return dot<kWide, kLargest>(acc.q[i], w.q[i], act); });
}

inline WVec load_w(const uint8_t* p) {
  return each_of<WVec>([&](int i) { return load_part(p + 16 * i); });
}
// The compiler may think that `a` has changed: for loops that measure.
inline void touch(WVec& a) {
  for (uint8x16_t& q : a.q) __asm__ volatile("" : "+w"(q));
}
inline WVec operator|(WVec a, WVec b) {
  return each_of<WVec>([&](int i) { return vorrq_u8(a.q[i], b.q[i]); });
}
inline WVec mask(WVec a, uint8_t bits) {
  return each_of<WVec>([&](int i) { return mask(a.q[i], bits); });
}
inline WVec shift_right(WVec a, unsigned n) {
  return each_of<WVec>([&](int i) { return shift_right(a.q[i], n); });
}
inline WVec shift_left(WVec a, unsigned n) {
  return each_of<WVec>([&](int i) { return shift_left(a.q[i], n); });
}
inline WVec lookup(const uint8_t* table16, WVec index) {
  return each_of<WVec>([&](int i) { return lookup(table16, index.q[i]); });
}
constexpr size_t kLoopVecs = 6;  // accumulators that fit the registers
// Sums and results of two vectors take 16 of the 32 registers; of four, all 32, and half the instructions were spills.
constexpr size_t kQuantDecodePanels = 2;
constexpr TileShape quant_shape(bool, bool, bool) { return {kPrefillPanels, 2}; }
constexpr TileShape few_rows_shape(bool, bool) { return {}; }
constexpr bool kPairsTogether = false;
constexpr size_t unpack_rows(bool) { return 0; }  // never: not measured
