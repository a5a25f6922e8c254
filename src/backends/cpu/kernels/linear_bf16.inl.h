// BF16 weights times activations that are rounded to BF16 too, in the arithmetic of Intel's TDPBF16PS, so that an instruction
// set without matrix units gives the same bits: of each 32 k one chain of fused multiply-adds over the even k and one over
// the odd ones; their sum is added to the output. Subnormals are zeros, as in all our workers.
// (Intel's manual, vol. 2, TDPBF16PS; the products of two bf16 are exact.)

inline Vec set1_bf16(uint16_t half) {
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return set1(value);
}

template <size_t P, size_t N>
inline void bf16_tile(const LinearArgs& a, size_t i, size_t row) {
  const uint8_t* w[P];
  const uint16_t* x[N];
  Vec acc[P][N];
#pragma GCC unroll 32
  for (size_t p = 0; p < P; ++p) {
    w[p] = a.panels + (i + p) * a.panel_stride;
#pragma GCC unroll 32
    for (size_t n = 0; n < N; ++n) acc[p][n] = zero();
  }
  for (size_t n = 0; n < N; ++n) x[n] = a.x_bf16 + (row + n) * a.x_stride;
  for (size_t k = 0; k < a.k; k += 32) {
    Vec sums[2][P][N];
#pragma GCC unroll 2
    for (size_t odd = 0; odd < 2; ++odd) {
#pragma GCC unroll 32
      for (size_t p = 0; p < P; ++p)
#pragma GCC unroll 32
        for (size_t n = 0; n < N; ++n) sums[odd][p][n] = zero();
      for (size_t pair = 0; pair < 16; ++pair) {
        Vec weight[P];
#pragma GCC unroll 32
        for (size_t p = 0; p < P; ++p) {
          weight[p] = WeightsBF16::load(w[p] + pair * WeightsBF16::kBytes, odd);
          if (N == 1 && odd == 0 && a.ahead.one_row > 0) prefetch(w[p] + pair * WeightsBF16::kBytes + a.ahead.one_row);
        }
#pragma GCC unroll 32
        for (size_t n = 0; n < N; ++n) {
          const Vec value = set1_bf16(x[n][k + 2 * pair + odd]);
#pragma GCC unroll 32
          for (size_t p = 0; p < P; ++p) sums[odd][p][n] = mul_add(weight[p], value, sums[odd][p][n]);
        }
      }
    }
#pragma GCC unroll 32
    for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 32
      for (size_t n = 0; n < N; ++n) acc[p][n] = acc[p][n] + (sums[0][p][n] + sums[1][p][n]);
      w[p] += 16 * WeightsBF16::kBytes;
    }
  }
#pragma GCC unroll 32
  for (size_t p = 0; p < P; ++p)
#pragma GCC unroll 32
    for (size_t n = 0; n < N; ++n) store(a.y + (row + n) * a.y_stride + (i + p) * kLanes, acc[p][n]);
}

template <size_t N>
inline size_t bf16_rows(const LinearArgs& a, size_t row) {
  constexpr size_t kPanels = N == 1 ? kDecodePanels : kPrefillPanels;
  for (; row + N <= a.rows; row += N) {
    size_t i = 0;
    for (; i + kPanels <= a.count; i += kPanels) bf16_tile<kPanels, N>(a, i, row);
    if constexpr (kPanels > 2)
      for (; i + 2 <= a.count; i += 2) bf16_tile<2, N>(a, i, row);
    for (; i < a.count; ++i) bf16_tile<1, N>(a, i, row);
  }
  return row;
}
inline void linear_bf16(const LinearArgs& a) {
  size_t row = bf16_rows<kPrefillTokens>(a, 0);
  row = bf16_rows<4>(a, row);
  row = bf16_rows<2>(a, row);
  bf16_rows<1>(a, row);
}
