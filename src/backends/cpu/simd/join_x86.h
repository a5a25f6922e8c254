// As join.h, in vectors: at -O3 gcc takes those apart lane by lane. `halves` gives a vector's first and last eight lanes. Included
// inside a namespace, after <immintrin.h>.
template <typename F>
inline float join(Vec x, F f) {
  __m256 low, high;
  halves(x, low, high);
  const __m256 eight = f(low, high);
  const __m128 four = f(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = f(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(f(two, _mm_movehdup_ps(two)));
}
struct Add {
  __m256 operator()(__m256 a, __m256 b) const { return _mm256_add_ps(a, b); }
  __m128 operator()(__m128 a, __m128 b) const { return _mm_add_ps(a, b); }
};
struct Larger {  // a > b ? a : b
  __m256 operator()(__m256 a, __m256 b) const { return _mm256_max_ps(a, b); }
  __m128 operator()(__m128 a, __m128 b) const { return _mm_max_ps(a, b); }
};
inline float sum(Vec x) { return join(x, Add{}); }
inline float largest(Vec x) { return join(x, Larger{}); }
inline int32_t sum16(const int32_t* q) {
  const auto* eights = reinterpret_cast<const __m256i*>(q);
  const __m256i eight = _mm256_add_epi32(_mm256_loadu_si256(eights), _mm256_loadu_si256(eights + 1));
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
}
