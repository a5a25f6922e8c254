// Vec = 16 floats in plain C: the twin that every other Vec must equal bit for bit. Included inside a
// namespace, after <math.h> and <string.h>.
struct Vec {
  float x[16];
};
struct Mask {
  bool x[16];
};
constexpr size_t kPrefillTokens = 2;
constexpr size_t kPrefillPanels = 1;
constexpr size_t kDecodePanels = 1;

template <typename F>
inline Vec each(F f) {
  Vec out;
  for (int i = 0; i < 16; ++i) out.x[i] = f(i);
  return out;
}
inline Vec set1(float x) {
  return each([&](int) { return x; });
}
inline Vec zero() { return set1(0); }
inline Vec load_n(const float* p, size_t n) {  // n values, the rest 0
  Vec out = zero();
  memcpy(out.x, p, n * sizeof(float));
  return out;
}
inline Vec load(const float* p) { return load_n(p, 16); }
inline void store_n(float* p, Vec x, size_t n) { memcpy(p, x.x, n * sizeof(float)); }
inline void store(float* p, Vec x) { store_n(p, x, 16); }
inline Vec operator+(Vec a, Vec b) {
  return each([&](int i) { return a.x[i] + b.x[i]; });
}
inline Vec operator-(Vec a, Vec b) {
  return each([&](int i) { return a.x[i] - b.x[i]; });
}
inline Vec operator*(Vec a, Vec b) {
  return each([&](int i) { return a.x[i] * b.x[i]; });
}
inline Vec operator/(Vec a, Vec b) {
  return each([&](int i) { return a.x[i] / b.x[i]; });
}
[[gnu::noinline]] inline Vec mul_add(Vec a, Vec b, Vec c) {
  return each([&](int i) { return fmaf(a.x[i], b.x[i], c.x[i]); });
}
[[gnu::noinline]] inline Vec neg_mul_add(Vec a, Vec b, Vec c) {  // c - a b
  return each([&](int i) { return fmaf(-a.x[i], b.x[i], c.x[i]); });
}
inline Vec max(Vec a, Vec b) {
  return each([&](int i) { return a.x[i] > b.x[i] ? a.x[i] : b.x[i]; });
}
inline Vec min(Vec a, Vec b) {
  return each([&](int i) { return a.x[i] < b.x[i] ? a.x[i] : b.x[i]; });
}
inline Vec round(Vec a) {  // to nearest, ties to even
  return each([&](int i) { return nearbyintf(a.x[i]); });
}
inline Vec pow2(Vec n) {  // 2^n for whole n in [-126, 127]
  return each([&](int i) {
    const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n.x[i]) + 127) << 23;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
  });
}
inline Vec abs(Vec a) {
  return each([&](int i) { return fabsf(a.x[i]); });
}
inline Mask less(Vec a, Vec b) {
  Mask out;
  for (int i = 0; i < 16; ++i) out.x[i] = a.x[i] < b.x[i];
  return out;
}
inline Vec select(Mask m, Vec yes, Vec no) {
  return each([&](int i) { return m.x[i] ? yes.x[i] : no.x[i]; });
}
inline float from_f16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16, rest = half & 0x7fffu;
  uint32_t bits = sign;
  if (rest >= 0x7c00u) {
    bits |= 0x7f800000u | (rest & 0x3ffu) << 13 | (rest > 0x7c00u ? 0x400000u : 0u);
  } else if (rest >= 0x400u) {
    bits |= (rest << 13) + 0x38000000u;
  } else {
    const float tiny = static_cast<float>(rest) * 0x1p-24f;
    uint32_t tiny_bits;
    memcpy(&tiny_bits, &tiny, sizeof tiny_bits);
    bits |= tiny_bits;
  }
  float out;
  memcpy(&out, &bits, sizeof out);
  return out;
}
inline float from_bf16(uint16_t value) {
  const uint32_t bits = static_cast<uint32_t>(value) << 16;
  float out;
  memcpy(&out, &bits, sizeof out);
  return out;
}
inline Vec load_f16(const uint16_t* p) {
  return each([&](int i) { return from_f16(p[i]); });
}
inline Vec load_bf16(const uint16_t* p) {
  return each([&](int i) { return from_bf16(p[i]); });
}
// Of 16 pairs of bf16 those at even, or at odd places.
inline Vec load_bf16_even(const uint16_t* p) {
  return each([&](int i) { return from_bf16(p[2 * i]); });
}
inline Vec load_bf16_odd(const uint16_t* p) {
  return each([&](int i) { return from_bf16(p[2 * i + 1]); });
}
inline void prefetch(const void*) {}
inline void prefetch_far(const void*) {}

// ---- Integers: 16 lanes of i32, and 64 unsigned bytes (lane o: four neighbouring k of output o).
struct IVec {
  int32_t x[16];
};
struct WVec {
  uint8_t x[64];
};

inline IVec iset1(int32_t x) {
  IVec out;
  for (int32_t& lane : out.x) lane = x;
  return out;
}
inline IVec operator+(IVec a, IVec b) {
  for (int i = 0; i < 16; ++i) a.x[i] += b.x[i];
  return a;
}
inline IVec times256(IVec a) {
  for (int32_t& lane : a.x) lane *= 256;
  return a;
}
inline Vec to_float(IVec a) {
  return each([&](int i) { return static_cast<float>(a.x[i]); });
}
inline void store_i32(int32_t* p, Vec x) {  // rounded
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int32_t>(nearbyintf(x.x[i]));
}
inline Vec load_u8(const uint8_t* p) {
  return each([&](int i) { return static_cast<float>(p[i]); });
}
inline Vec load_i8(const uint8_t* p) {
  return each([&](int i) { return static_cast<float>(static_cast<int8_t>(p[i])); });
}
inline WVec load_w(const uint8_t* p) {
  WVec out;
  memcpy(out.x, p, 64);
  return out;
}
// The compiler may think that `a` has changed: for loops that measure.
inline void touch(WVec& a) { __asm__ volatile("" : "+m"(a)); }
inline void store_w(uint8_t* p, WVec a) { memcpy(p, a.x, 64); }
// Byte 16 L + 4 m + i of each becomes the four bytes of lane 4 L + i of out[m].
[[gnu::noinline]] inline void interleave(WVec a, WVec b, WVec c, WVec d, WVec* out) {
  for (int lane = 0; lane < 16; ++lane)
    for (int m = 0; m < 4; ++m) {
      const int at = 16 * (lane / 4) + 4 * m + lane % 4;
      uint8_t* four = out[m].x + 4 * lane;
      four[0] = a.x[at];
      four[1] = b.x[at];
      four[2] = c.x[at];
      four[3] = d.x[at];
    }
}
[[gnu::noinline]] inline WVec operator|(WVec a, WVec b) {
  for (int i = 0; i < 64; ++i) a.x[i] = static_cast<uint8_t>(a.x[i] | b.x[i]);
  return a;
}
[[gnu::noinline]] inline WVec mask(WVec a, uint8_t bits) {
  for (uint8_t& byte : a.x) byte = byte & bits;
  return a;
}
// On other machines bits move between neighbouring bytes: mask afterwards.
[[gnu::noinline]] inline WVec shift_right(WVec a, unsigned n) {
  for (uint8_t& byte : a.x) byte = static_cast<uint8_t>(byte >> n);
  return a;
}
[[gnu::noinline]] inline WVec shift_left(WVec a, unsigned n) {
  for (uint8_t& byte : a.x) byte = static_cast<uint8_t>(byte << n);
  return a;
}
[[gnu::noinline]] // For linear_tiles.inl.h.
inline WVec take_off(WVec w, int32_t offset) {
  for (auto& byte : w.x) byte = static_cast<uint8_t>(byte - offset);
  return w;
}
inline IVec load_i(const int32_t* p) {
  IVec out;
  memcpy(out.x, p, sizeof out.x);
  return out;
}
inline WVec lookup(const uint8_t* table16, WVec index) {
  for (uint8_t& byte : index.x) byte = table16[byte & 15];
  return index;
}
constexpr int32_t dot_bias(int) { return 0; }  // what `dot` takes off weights of up to so much
#include "backends/cpu/simd/compact.h"
#include "backends/cpu/simd/join.h"
#include "backends/cpu/simd/of_each.h"
#include "backends/cpu/simd/store_bytes.h"
// acc + sum of the four products of each lane; `act` as store_act left it.
// Not inlined: speed is no aim here, and fully unrolled tiles of arrays take minutes to compile.
template <bool, int>
[[gnu::noinline]] inline IVec dot(IVec acc, WVec w, const uint8_t* act) {
  int16_t a[4];
  memcpy(a, act, 8);
  for (int i = 0; i < 16; ++i)
    acc.x[i] += w.x[4 * i] * a[0] + w.x[4 * i + 1] * a[1] + w.x[4 * i + 2] * a[2] + w.x[4 * i + 3] * a[3];
  return acc;
}
constexpr size_t kLoopVecs = 2;  // accumulators that fit the registers
constexpr size_t kQuantDecodePanels = kDecodePanels;
constexpr TileShape quant_shape(bool, bool, bool) { return {kPrefillPanels, 2}; }
constexpr TileShape few_rows_shape(bool, bool) { return {}; }
constexpr bool kPairsTogether = false;
constexpr size_t unpack_rows(bool) { return 0; }  // never: slower
