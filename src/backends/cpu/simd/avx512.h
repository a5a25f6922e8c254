// Vec = 16 floats in one AVX-512 register. Included inside a namespace, after <immintrin.h>.
struct Vec {
  __m512 v;
};
using Mask = __mmask16;
constexpr size_t kPrefillTokens = 12;  // 2 panels x 12 tokens: 24 accumulators + 2 weights of 32 registers
constexpr size_t kPrefillPanels = 2;
constexpr size_t kDecodePanels = 4;

inline Vec zero() { return {_mm512_setzero_ps()}; }
inline Vec set1(float x) { return {_mm512_set1_ps(x)}; }
inline Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, Vec x) { _mm512_storeu_ps(p, x.v); }
inline Vec load_n(const float* p, size_t n) {  // n < 16 values, the rest 0
  return {_mm512_maskz_loadu_ps(static_cast<Mask>((1u << n) - 1u), p)};
}
inline void store_n(float* p, Vec x, size_t n) {
  _mm512_mask_storeu_ps(p, static_cast<Mask>((1u << n) - 1u), x.v);
}
inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec mul_add(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec neg_mul_add(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }  // c - a b
inline Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }  // b where a is NaN
inline Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vec round(Vec a) {  // to nearest, ties to even
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Vec pow2(Vec n) {  // 2^n for whole n in [-126, 127]
  const __m512i bits = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(bits, 23))};
}
inline Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
inline Mask less(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
inline Vec select(Mask m, Vec yes, Vec no) { return {_mm512_mask_blend_ps(m, no.v, yes.v)}; }
inline Vec load_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline Vec load_bf16(const uint16_t* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
// Of 16 pairs of bf16 those at even, or at odd places.
inline Vec load_bf16_even(const uint16_t* p) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16))}; }
inline Vec load_bf16_odd(const uint16_t* p) {
  return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}
inline void halves(Vec x, __m256& low, __m256& high) {
  low = _mm512_castps512_ps256(x.v);
  high = _mm512_extractf32x8_ps(x.v, 1);
}
#include "backends/cpu/simd/join_x86.h"
inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }
// Not into the first level. No builtin: gcc 12 takes a function that only calls that for one without effect, and drops its calls.
inline void prefetch_far(const void* p) { __asm__ volatile("prefetcht1 %0" : : "m"(*static_cast<const char*>(p))); }

// As of_each.h: sixteen vectors become one, in four steps that each join two by two.
template <typename Join>
inline __m512i join_each(const __m512i (&v)[16], Join f) {
  __m512i two[8], four[4];
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i)
    two[i] = f(_mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]), _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]));
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i)
    four[i] = f(_mm512_unpacklo_epi64(two[2 * i], two[2 * i + 1]), _mm512_unpackhi_epi64(two[2 * i], two[2 * i + 1]));
  const auto join_parts = [&](__m512i a, __m512i b) {
    return f(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
  };
  return join_parts(join_parts(four[0], four[1]), join_parts(four[2], four[3]));
}
inline Vec largest_of_each(const Vec (&v)[16]) {
  __m512i bits[16];
#pragma GCC unroll 16
  for (size_t i = 0; i < 16; ++i) bits[i] = _mm512_castps_si512(v[i].v);
  return {_mm512_castsi512_ps(join_each(bits, [](__m512i a, __m512i b) {
    return _mm512_castps_si512(_mm512_max_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b)));
  }))};
}
inline void sums_of_each(const int32_t (&q)[8][32], int32_t* sums) {
  __m512i v[16];
#pragma GCC unroll 16
  for (size_t i = 0; i < 16; ++i) v[i] = _mm512_loadu_si512(q[i / 2] + i % 2 * 16);
  _mm512_storeu_si512(sums, join_each(v, [](__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }));
}

// ---- Integers: 16 lanes of i32, and 64 unsigned bytes (lane o: four neighbouring k of output o).
struct IVec {
  __m512i v;
};
struct WVec {
  __m512i v;
};

inline IVec iset1(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline IVec operator+(IVec a, IVec b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline IVec times256(IVec a) { return {_mm512_slli_epi32(a.v, 8)}; }
inline Vec to_float(IVec a) { return {_mm512_cvtepi32_ps(a.v)}; }
inline void store_i32(int32_t* p, Vec x) { _mm512_storeu_si512(p, _mm512_cvtps_epi32(x.v)); }  // rounded
inline __m512i bytes_i8(const uint8_t* p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline __m512i bytes_u8(const uint8_t* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline Vec load_u8(const uint8_t* p) { return {_mm512_cvtepi32_ps(bytes_u8(p))}; }
inline Vec load_i8(const uint8_t* p) { return {_mm512_cvtepi32_ps(bytes_i8(p))}; }
// The lowest byte of (a + add) >> shift, of 32.
inline void store_bytes(uint8_t* out, const int32_t* a, int32_t add, unsigned shift) {
  for (size_t i = 0; i < 32; i += 16) {
    const __m512i v = _mm512_srai_epi32(_mm512_add_epi32(_mm512_loadu_si512(a + i), _mm512_set1_epi32(add)), shift);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm512_cvtepi32_epi8(v));
  }
}
// As compact.h. All in registers: what was stored as two vectors is not read as one that lies across them for long.
inline size_t compact(int32_t (&q)[32], uint8_t* places) {
  const __m512i low = _mm512_loadu_si512(q), high = _mm512_loadu_si512(q + 16);
  const __mmask16 in_low = _mm512_test_epi32_mask(low, low), in_high = _mm512_test_epi32_mask(high, high);
  const __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i kept_high = _mm512_maskz_compress_epi32(in_high, high);
  const __m512i at_high = _mm512_maskz_compress_epi32(in_high, _mm512_add_epi32(at, _mm512_set1_epi32(16)));
  const auto n = static_cast<unsigned>(__builtin_popcount(in_low));
  const auto behind = static_cast<__mmask16>(0xffffu << n), rest = static_cast<__mmask16>(0xffff0000u >> n);
  _mm512_storeu_si512(q, _mm512_mask_expand_epi32(_mm512_maskz_compress_epi32(in_low, low), behind, kept_high));
  _mm512_storeu_si512(q + 16, _mm512_maskz_compress_epi32(rest, kept_high));
  const __m512i at_low = _mm512_mask_expand_epi32(_mm512_maskz_compress_epi32(in_low, at), behind, at_high);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(places), _mm512_cvtepi32_epi8(at_low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(places + 16), _mm512_cvtepi32_epi8(_mm512_maskz_compress_epi32(rest, at_high)));
  return n + static_cast<unsigned>(__builtin_popcount(in_high));
}
inline WVec load_w(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
// The compiler may think that `a` has changed: for loops that measure.
inline void touch(WVec& a) { __asm__ volatile("" : "+v"(a.v)); }
inline void store_w(uint8_t* p, WVec a) { _mm512_storeu_si512(p, a.v); }
// Byte 16 L + 4 m + i of each becomes the four bytes of lane 4 L + i of out[m].
inline void interleave(WVec a, WVec b, WVec c, WVec d, WVec* out) {
  const __m512i ab_low = _mm512_unpacklo_epi8(a.v, b.v), ab_high = _mm512_unpackhi_epi8(a.v, b.v);
  const __m512i cd_low = _mm512_unpacklo_epi8(c.v, d.v), cd_high = _mm512_unpackhi_epi8(c.v, d.v);
  out[0] = {_mm512_unpacklo_epi16(ab_low, cd_low)};
  out[1] = {_mm512_unpackhi_epi16(ab_low, cd_low)};
  out[2] = {_mm512_unpacklo_epi16(ab_high, cd_high)};
  out[3] = {_mm512_unpackhi_epi16(ab_high, cd_high)};
}
inline WVec operator|(WVec a, WVec b) { return {_mm512_or_si512(a.v, b.v)}; }
inline WVec mask(WVec a, uint8_t bits) {
  return {_mm512_and_si512(a.v, _mm512_set1_epi8(static_cast<char>(bits)))};
}
// Bits move between neighbouring bytes: mask afterwards.
inline WVec shift_right(WVec a, unsigned n) { return {_mm512_srli_epi16(a.v, n)}; }
inline WVec shift_left(WVec a, unsigned n) { return {_mm512_slli_epi16(a.v, n)}; }
inline WVec take_off(WVec w, int32_t offset) { return {_mm512_sub_epi8(w.v, _mm512_set1_epi8(static_cast<char>(offset)))}; }
inline IVec load_i(const void* p) { return {_mm512_loadu_si512(p)}; }
inline void store_i(uint8_t* p, IVec a) { _mm512_storeu_si512(p, a.v); }
// Pairs of 16 bits in the lane of each output, of bytes of 16 outputs: for `dot_pairs`.
inline IVec dot_pairs(IVec a, IVec b) { return {_mm512_madd_epi16(a.v, b.v)}; }
#include "backends/cpu/simd/pair_of.h"
inline IVec pairs(__m512i first, __m512i second) { return {_mm512_mask_blend_epi16(0xaaaaaaaau, first, _mm512_slli_epi32(second, 16))}; }
inline IVec twice_i8(const uint8_t* p) { return pairs(bytes_i8(p), bytes_i8(p)); }
inline IVec twice_low4(const uint8_t* p) {
  const __m512i low = _mm512_and_si512(bytes_u8(p), _mm512_set1_epi32(15));
  return pairs(low, low);
}
// Bytes o and 16 + o: signed; their nibbles.
inline __m512i both(__m512i words) {
  const __m512i at = _mm512_setr_epi32(0x100000, 0x110001, 0x120002, 0x130003, 0x140004, 0x150005, 0x160006, 0x170007,
                                       0x180008, 0x190009, 0x1a000a, 0x1b000b, 0x1c000c, 0x1d000d, 0x1e000e, 0x1f000f);
  return _mm512_permutexvar_epi16(at, words);
}
inline __m256i bytes32(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline IVec both_i8(const uint8_t* p) { return {both(_mm512_cvtepi8_epi16(bytes32(p)))}; }
inline IVec both_low4(const uint8_t* p) { return {_mm512_and_si512(both(_mm512_cvtepu8_epi16(bytes32(p))), _mm512_set1_epi16(15))}; }
inline IVec both_high4(const uint8_t* p) { return {_mm512_srli_epi16(both(_mm512_cvtepu8_epi16(bytes32(p))), 4)}; }
inline IVec both_sums(IVec first, IVec second) { return pairs(first.v, second.v); }  // which fit 16 bits
// (byte - offset) * scale + new_offset, which fits a byte; `scale` twice 16 bits in each lane.
inline WVec fold(WVec w, IVec scale, int32_t offset, int32_t new_offset) {
  const __m512i begin = _mm512_sub_epi16(_mm512_set1_epi16(static_cast<int16_t>(new_offset)),
                                         _mm512_mullo_epi16(scale.v, _mm512_set1_epi16(static_cast<int16_t>(offset))));
  const __m512i even = _mm512_and_si512(w.v, _mm512_set1_epi16(0x00ff)), odd = _mm512_srli_epi16(w.v, 8);
  return {_mm512_or_si512(_mm512_add_epi16(_mm512_mullo_epi16(even, scale.v), begin),
                          _mm512_slli_epi16(_mm512_add_epi16(_mm512_mullo_epi16(odd, scale.v), begin), 8))};
}
inline WVec lookup(const uint8_t* table16, WVec index) {
  const __m128i t = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table16));
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), index.v)};
}
constexpr int32_t dot_bias(int) { return 0; }  // what `dot` takes off weights of up to so much
// acc + sum of the four products of each lane; `act` as store_act left it.
template <bool, int>
inline IVec dot(IVec acc, WVec w, const uint8_t* act) {
  int32_t four;
  __builtin_memcpy(&four, act, 4);
  return {_mm512_dpbusd_epi32(acc.v, w.v, _mm512_set1_epi32(four))};
}
constexpr size_t kLoopVecs = 16;  // accumulators that fit the registers
constexpr size_t kQuantDecodePanels = kDecodePanels;
// Registers hold the sums of both groups of all panels of most tiles; elsewhere one panel follows the other.
constexpr bool kPairsTogether = true;
// Integer and float sums together take 16 to 24 registers where weights are unpacked on the way, else 32.
constexpr TileShape quant_shape(bool wide, bool pairs, bool plain) {
  if (wide) return {2, 4};
  if (pairs) return {1, 8};
  return plain ? TileShape{4, 4} : TileShape{3, 4};
}
// From memory one pass for 8 rows is faster than two for 4 each; of types that need much work the less memory is asked at once.
constexpr TileShape few_rows_shape(bool wide, bool plain) {
  if (wide) return {};
  return plain ? TileShape{2, 8} : TileShape{1, 8};
}
// Others are as fast from the packed weights: unpacking hides behind the products.
constexpr size_t unpack_rows(bool folds) { return folds ? 16 : 0; }
