// Vec = 16 floats in two AVX registers. Included inside a namespace, after <immintrin.h>.
struct Vec {
  __m256 lo, hi;
};
struct Mask {
  __m256 lo, hi;
};
constexpr size_t kPrefillTokens = 6;  // 1 panel x 6 tokens: 12 accumulators + 2 weights + 1 of 16
constexpr size_t kPrefillPanels = 1;
constexpr size_t kDecodePanels = 4;

inline Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Vec set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Vec x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
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
inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline Vec mul_add(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline Vec neg_mul_add(Vec a, Vec b, Vec c) {  // c - a b
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline Vec round(Vec a) {  // to nearest, ties to even
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, kMode), _mm256_round_ps(a.hi, kMode)};
}
inline __m256 pow2_half(__m256 n) {
  const __m256i bits = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23));
}
inline Vec pow2(Vec n) { return {pow2_half(n.lo), pow2_half(n.hi)}; }  // 2^n for whole n in [-126, 127]
inline Vec abs(Vec a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline Mask less(Vec a, Vec b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
inline Vec select(Mask m, Vec yes, Vec no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)};
}
inline Vec load_f16(const uint16_t* p) {
  const auto* q = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
inline Vec load_bf16(const uint16_t* p) {
  const auto* q = reinterpret_cast<const __m128i*>(p);
  const auto widen = [](__m128i a) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16)); };
  return {widen(_mm_loadu_si128(q)), widen(_mm_loadu_si128(q + 1))};
}
// Of 16 pairs of bf16 those at even, or at odd places.
inline Vec load_bf16_even(const uint16_t* p) {
  const auto* q = reinterpret_cast<const __m256i*>(p);
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(q), 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(q + 1), 16))};
}
inline Vec load_bf16_odd(const uint16_t* p) {
  const auto* q = reinterpret_cast<const __m256i*>(p);
  const __m256i top = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  return {_mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(q), top)),
          _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(q + 1), top))};
}
inline void halves(Vec x, __m256& low, __m256& high) {
  low = x.lo;
  high = x.hi;
}
#include "backends/cpu/simd/compact.h"
#include "backends/cpu/simd/join_x86.h"
#include "backends/cpu/simd/of_each.h"
inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
// Not into the first level. No builtin: gcc 12 takes a function that only calls that for one without effect, and drops its calls.
inline void prefetch_far(const void* p) { __asm__ volatile("prefetcht1 %0" : : "m"(*static_cast<const char*>(p))); }

// ---- Integers: 16 lanes of i32, and 64 unsigned bytes (lane o: four neighbouring k of output o).
struct IVec {
  __m256i lo, hi;
};
struct WVec {
  __m256i lo, hi;
};
// Activations of a block of 32: 8 bits as they are; 16 bits four k a step in the order 0 2 1 3, since the even and the
// odd bytes of the weights are widened each: vpmaddwd is exact where vpmaddubsw would saturate.
constexpr size_t act_planes(bool) { return 1; }
constexpr size_t act_bytes(bool wide) { return wide ? 64 : 32; }
constexpr size_t act_step(bool wide) { return wide ? 8 : 4; }  // bytes of four k
constexpr size_t kActPlane = 0;
inline void store_act(uint8_t* out, const int32_t* a, bool wide) {
  __m256i words[2];  // of 16 values each
  for (size_t i = 0; i < 2; ++i) {
    __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + 16 * i));
    __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + 16 * i + 8));
    if (wide) {  // of four k the even ones first
      low = _mm256_shuffle_epi32(low, _MM_SHUFFLE(3, 1, 2, 0));
      high = _mm256_shuffle_epi32(high, _MM_SHUFFLE(3, 1, 2, 0));
    }
    words[i] = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), _MM_SHUFFLE(3, 1, 2, 0));
  }
  auto* const to = reinterpret_cast<__m256i*>(out);
  if (wide) {
    _mm256_storeu_si256(to, words[0]);
    _mm256_storeu_si256(to + 1, words[1]);
  } else {
    _mm256_storeu_si256(to, _mm256_permute4x64_epi64(_mm256_packs_epi16(words[0], words[1]), _MM_SHUFFLE(3, 1, 2, 0)));
  }
}

inline IVec iset1(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline IVec operator+(IVec a, IVec b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
inline IVec times256(IVec a) { return {_mm256_slli_epi32(a.lo, 8), _mm256_slli_epi32(a.hi, 8)}; }
inline Vec to_float(IVec a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
inline void store_i32(int32_t* p, Vec x) {  // rounded
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvtps_epi32(x.lo));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), _mm256_cvtps_epi32(x.hi));
}
inline Vec load_u8(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
}
inline Vec load_i8(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}
// Half a vector: a part, for loops whose sums of whole vectors would not fit the registers.
struct WPart {
  __m256i v;
};
struct IPart {
  __m256i v;
};
constexpr size_t kParts = 2, kPartBytes = 32;
inline WPart load_part(const uint8_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
inline void store_part(uint8_t* p, WPart a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
inline IPart zero_part() { return {_mm256_setzero_si256()}; }
inline void set_part(IVec& whole, size_t part, IPart a) { (part == 0 ? whole.lo : whole.hi) = a.v; }
// Byte 16 L + 4 m + i of each becomes the four bytes of lane 4 L + i of out[m].
inline void interleave(WPart a, WPart b, WPart c, WPart d, WPart* out) {
  const __m256i ab_low = _mm256_unpacklo_epi8(a.v, b.v), ab_high = _mm256_unpackhi_epi8(a.v, b.v);
  const __m256i cd_low = _mm256_unpacklo_epi8(c.v, d.v), cd_high = _mm256_unpackhi_epi8(c.v, d.v);
  out[0] = {_mm256_unpacklo_epi16(ab_low, cd_low)};
  out[1] = {_mm256_unpackhi_epi16(ab_low, cd_low)};
  out[2] = {_mm256_unpacklo_epi16(ab_high, cd_high)};
  out[3] = {_mm256_unpackhi_epi16(ab_high, cd_high)};
}
inline WPart operator|(WPart a, WPart b) { return {_mm256_or_si256(a.v, b.v)}; }
inline WPart mask(WPart a, uint8_t bits) {
  return {_mm256_and_si256(a.v, _mm256_set1_epi8(static_cast<char>(bits)))};
}
// Bits move between neighbouring bytes: mask afterwards.
inline WPart shift_right(WPart a, unsigned n) { return {_mm256_srli_epi16(a.v, static_cast<int>(n))}; }
inline WPart shift_left(WPart a, unsigned n) { return {_mm256_slli_epi16(a.v, static_cast<int>(n))}; }
inline WPart lookup(const uint8_t* table16, WPart index) {
  const __m128i t = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table16));
  return {_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(t), index.v)};
}
// acc + sum of the four products of each lane; `even` and `odd` hold the activations of four k, twice two.
inline __m256i dot_half(__m256i acc, __m256i w, __m256i even, __m256i odd) {
  const __m256i low = _mm256_and_si256(w, _mm256_set1_epi16(0x00ff)), high = _mm256_srli_epi16(w, 8);
  return _mm256_add_epi32(
      acc, _mm256_add_epi32(_mm256_madd_epi16(low, even), _mm256_madd_epi16(high, odd)));
}
struct ActPairs {
  __m256i even, odd;
};
template <bool kWide>
inline ActPairs load_pairs(const uint8_t* act) {  // as store_act left them
  int32_t pair;
  __builtin_memcpy(&pair, act, 4);
  const __m256i first = _mm256_set1_epi32(pair);
  if (kWide) {
    __builtin_memcpy(&pair, act + 4, 4);
    return {first, _mm256_set1_epi32(pair)};
  }
  return {_mm256_srai_epi16(_mm256_slli_epi16(first, 8), 8), _mm256_srai_epi16(first, 8)};
}
// Products of activations of 8 bits and weights up to `largest` can be summed in 16 bits for some steps of four k, which
// takes half the instructions. Each lane of 32 bits then holds two sums; `widen` adds them.
constexpr size_t short_steps(int largest, bool wide) {
  return wide ? 0 : static_cast<size_t>(32767 / (2 * 127 * largest));
}
inline IPart short_dot(IPart acc, WPart w, const uint8_t* act) {
  int32_t four;
  __builtin_memcpy(&four, act, 4);
  return {_mm256_add_epi16(acc.v, _mm256_maddubs_epi16(w.v, _mm256_set1_epi32(four)))};
}
inline IPart widen(IPart a) { return {_mm256_madd_epi16(a.v, _mm256_set1_epi16(1))}; }
constexpr int32_t dot_bias(int) { return 0; }  // what `dot` takes off weights of up to so much
template <bool kWide, int kLargest>
inline IPart dot(IPart acc, WPart w, const uint8_t* act) {
  if constexpr (short_steps(kLargest, kWide) > 0)
    return {_mm256_add_epi32(acc.v, widen(short_dot(zero_part(), w, act)).v)};
  const ActPairs a = load_pairs<kWide>(act);
  return {dot_half(acc.v, w.v, a.even, a.odd)};
}
template <bool kWide, int>
inline IVec dot(IVec acc, WVec w, const uint8_t* act) {
  const ActPairs a = load_pairs<kWide>(act);
  return {dot_half(acc.lo, w.lo, a.even, a.odd), dot_half(acc.hi, w.hi, a.even, a.odd)};
}
inline IVec short_dot(IVec acc, WVec w, const uint8_t* act) {
  return {short_dot(IPart{acc.lo}, WPart{w.lo}, act).v, short_dot(IPart{acc.hi}, WPart{w.hi}, act).v};
}
inline IVec widen(IVec a) { return {widen(IPart{a.lo}).v, widen(IPart{a.hi}).v}; }

// The same of signed weights up to `most` either way and activations with 128 added: a product of two pairs, 2 * 255 * most,
// must fit 16 bits, and so must what the sums end at, 2 * 127 * most a step.
constexpr size_t biased_steps(int32_t most) { return 2 * 255 * most > 32767 ? 0 : static_cast<size_t>(32767 / (2 * 127 * most)); }
inline IVec biased_dot(IVec acc, WVec w, const uint8_t* act) {
  int32_t four;
  __builtin_memcpy(&four, act, 4);
  const __m256i a = _mm256_set1_epi32(four);
  return {_mm256_add_epi16(acc.lo, _mm256_maddubs_epi16(a, w.lo)), _mm256_add_epi16(acc.hi, _mm256_maddubs_epi16(a, w.hi))};
}
inline WVec take_off(WVec w, int32_t offset) {
  const __m256i by = _mm256_set1_epi8(static_cast<char>(offset));
  return {_mm256_sub_epi8(w.lo, by), _mm256_sub_epi8(w.hi, by)};
}
// acc - 128 (w_0 + w_1), acc - 128 (w_2 + w_3), of the four weights of each lane.
inline IVec less_128_times(IVec acc, WVec w) {
  const __m256i by = _mm256_set1_epi8(-128);  // 128, unsigned
  return {_mm256_sub_epi16(acc.lo, _mm256_maddubs_epi16(by, w.lo)), _mm256_sub_epi16(acc.hi, _mm256_maddubs_epi16(by, w.hi))};
}

// Pairs of 16 bits in the lane of each output, of bytes of 16 outputs: for `dot_pairs`.
inline IVec dot_pairs(IVec a, IVec b) { return {_mm256_madd_epi16(a.lo, b.lo), _mm256_madd_epi16(a.hi, b.hi)}; }
#include "backends/cpu/simd/pair_of.h"
alignas(32) constexpr uint8_t kFourTimes[64] = {
    0, 0, 0, 0, 1, 1, 1, 1, 2,  2,  2,  2,  3,  3,  3,  3,  4,  4,  4,  4,  5,  5,  5,  5,  6,  6,  6,  6,  7,  7,  7,  7,
    8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 11, 11, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 15};
inline IVec four_times(const uint8_t* p) {
  const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return {_mm256_shuffle_epi8(bytes, load_part(kFourTimes).v), _mm256_shuffle_epi8(bytes, load_part(kFourTimes + 32).v)};
}
inline IVec twice_i8(const uint8_t* p) {
  const IVec v = four_times(p);
  return {_mm256_srai_epi16(v.lo, 8), _mm256_srai_epi16(v.hi, 8)};
}
inline IVec twice_low4(const uint8_t* p) {
  const IVec v = four_times(p);
  const __m256i low = _mm256_set1_epi16(15);
  return {_mm256_and_si256(v.lo, low), _mm256_and_si256(v.hi, low)};
}
// Bytes o and 16 + o: signed, times a factor; their high nibbles.
inline IVec both_i8(const uint8_t* p, int16_t factor) {
  const auto* q = reinterpret_cast<const __m128i*>(p);
  const __m128i first = _mm_loadu_si128(q), second = _mm_loadu_si128(q + 1);
  const __m256i f = _mm256_set1_epi16(factor);
  return {_mm256_mullo_epi16(_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(first, second)), f),
          _mm256_mullo_epi16(_mm256_cvtepi8_epi16(_mm_unpackhi_epi8(first, second)), f)};
}
inline IVec both_high4(const uint8_t* p) {
  const auto* q = reinterpret_cast<const __m128i*>(p);
  const __m128i first = _mm_loadu_si128(q), second = _mm_loadu_si128(q + 1);
  return {_mm256_srli_epi16(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second)), 4),
          _mm256_srli_epi16(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second)), 4)};
}

inline WVec load_w(const uint8_t* p) { return {load_part(p).v, load_part(p + 32).v}; }
inline void store_w(uint8_t* p, WVec a) {
  store_part(p, {a.lo});
  store_part(p + 32, {a.hi});
}
inline IVec load_i(const uint8_t* p) { return {load_part(p).v, load_part(p + 32).v}; }
inline void store_i(uint8_t* p, IVec a) { store_w(p, {a.lo, a.hi}); }
// The compiler may think that `a` has changed: for loops that measure.
inline void touch(WVec& a) { __asm__ volatile("" : "+x"(a.lo), "+x"(a.hi)); }
inline WVec operator|(WVec a, WVec b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
inline WVec mask(WVec a, uint8_t bits) { return {mask(WPart{a.lo}, bits).v, mask(WPart{a.hi}, bits).v}; }
inline WVec shift_right(WVec a, unsigned n) {
  return {shift_right(WPart{a.lo}, n).v, shift_right(WPart{a.hi}, n).v};
}
inline WVec shift_left(WVec a, unsigned n) {
  return {shift_left(WPart{a.lo}, n).v, shift_left(WPart{a.hi}, n).v};
}
inline WVec lookup(const uint8_t* table16, WVec index) {
  return {lookup(table16, WPart{index.lo}).v, lookup(table16, WPart{index.hi}).v};
}
constexpr size_t kLoopVecs = 6;  // accumulators that fit the registers
constexpr size_t kQuantDecodePanels = kDecodePanels;
// Few rows are multiplied by the packed weights, four at a time.
constexpr TileShape quant_shape(bool wide, bool, bool plain) { return {kPrefillPanels, wide || !plain ? size_t{4} : size_t{6}}; }
constexpr TileShape few_rows_shape(bool, bool) { return {}; }
constexpr bool kPairsTogether = false;
constexpr size_t unpack_rows(bool) { return 12; }
