// Vec = 16 floats in plain C: the twin that every other Vec must equal bit for bit. Included inside a
// namespace, after <math.h> and <string.h>.
struct Vec {
  float x[16];
};
struct Mask {
  bool x[16];
};
constexpr size_t kPrefillTokens = 4;
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
inline Vec mul_add(Vec a, Vec b, Vec c) {
  return each([&](int i) { return fmaf(a.x[i], b.x[i], c.x[i]); });
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
// 16 pairs of bf16: the values at even places, the values at odd places.
inline void load_bf16_pairs(const uint16_t* p, Vec& even, Vec& odd) {
  even = each([&](int i) { return from_bf16(p[2 * i]); });
  odd = each([&](int i) { return from_bf16(p[2 * i + 1]); });
}
inline void prefetch(const void*) {}
