// Block-quantized weights times quantized activations. The value of an output is one chain over blocks in
// rising k:
//   acc <- fma(float(sum of byte * a) - kOffset * sum of a as exact integers, round(scale * scale_a), acc)
//   acc <- fma(-min, scale_a * sum of a, acc)            for types with a minimum
// Tiles, rows and instruction sets change speed, never bits.

// Adds the products of a group of block `b`, whose first step of four k is kFirst; by way of sums of 16 bits where they
// can't overflow.
template <class F, bool kWide, size_t kFirst, size_t P, size_t N>
inline void quant_steps(const uint8_t* const* w, size_t b, const uint8_t* const* act,
                        IVec (&sums)[act_planes(kWide)][P][N]) {
  constexpr size_t kSteps = F::kGroup / 4, kShort = short_steps(F::kLargest, kWide);
  constexpr size_t kRun = kShort > kSteps ? kSteps : kShort;
  IVec run[P][N];
#pragma GCC unroll 8
  for (size_t step = 0; step < kSteps; ++step) {
    const size_t j = kFirst + step;
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      const WVec v = F::vec(w[p], b, j);
#pragma GCC unroll 16
      for (size_t n = 0; n < N; ++n) {
        const uint8_t* a = act[n] + j * act_step(kWide);
        if constexpr (kRun > 0) {
          run[p][n] = short_dot(step % kRun == 0 ? iset1(0) : run[p][n], v, a);
          if ((step + 1) % kRun == 0) sums[0][p][n] = sums[0][p][n] + widen(run[p][n]);
        } else {
          for (size_t plane = 0; plane < act_planes(kWide); ++plane)
            sums[plane][p][n] = dot<kWide, F::kLargest>(sums[plane][p][n], v, a + plane * kActPlane);
        }
      }
    }
  }
}

template <class F, bool kWide, size_t kHalf, size_t P, size_t N>
inline void quant_group(const uint8_t* const* w, size_t b, const uint8_t* const* act,
                        const float* scale_a, const int32_t* sum_a, Vec (&acc)[P][N]) {
  constexpr size_t kPlanes = act_planes(kWide);
  IVec sums[kPlanes][P][N];
#pragma GCC unroll 16
  for (size_t n = 0; n < N; ++n)
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      sums[kPlanes - 1][p][n] = iset1((dot_bias(F::kLargest) - F::kOffset) * sum_a[n]);
      if (kPlanes == 2) sums[0][p][n] = iset1(0);
    }
  quant_steps<F, kWide, 4 * kHalf>(w, b, act, sums);
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const Vec scale = F::scale(w[p], b, kHalf);
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n) {
      IVec total = sums[kPlanes - 1][p][n];
      if (kPlanes == 2) total = times256(sums[0][p][n]) + total;
      acc[p][n] = mul_add(to_float(total), scale * set1(scale_a[n]), acc[p][n]);
    }
    if (F::kHasMin) {
      const Vec min = F::min(w[p], b, kHalf);
#pragma GCC unroll 16
      for (size_t n = 0; n < N; ++n)
        acc[p][n] = neg_mul_add(min, set1(scale_a[n] * static_cast<float>(sum_a[n])), acc[p][n]);
    }
  }
}

template <class F, bool kWide, size_t P, size_t N>
inline void quant_tile(const LinearArgs& a, size_t i, size_t row) {
  Vec acc[P][N];
  const uint8_t* w[P];
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    w[p] = a.panels + (i + p) * a.panel_stride;
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n)
      acc[p][n] = a.goes_on ? load(a.y + (row + n) * a.y_stride + (i + p) * kLanes) : zero();
  }
  for (size_t block = 0; block < a.k / 32; block += F::kUnit / 32) {
    for (size_t b = 0; b < F::kUnit / 32; ++b) {
      const uint8_t* act[N];
      float scale_a[N];
      int32_t sum_a[2][N];
#pragma GCC unroll 16
      for (size_t n = 0; n < N; ++n) {
        const size_t at = (row + n) * a.row_blocks + block + b;
        act[n] = a.blocks + at * act_bytes(kWide);
        scale_a[n] = a.scale[at];
        sum_a[0][n] = a.sum[2 * at];
        sum_a[1][n] = a.sum[2 * at + 1];
        if (F::kGroup == 32) sum_a[0][n] += sum_a[1][n];
      }
      if (N == 1 && a.ahead > 0)
#pragma GCC unroll 4
        for (size_t p = 0; p < P; ++p)
          for (size_t line = 0; line < F::kBytes * 32 / F::kUnit; line += 64)
            prefetch(w[p] + b * (F::kBytes * 32 / F::kUnit) + line + a.ahead);
      quant_group<F, kWide, 0>(w, b, act, scale_a, sum_a[0], acc);
      if (F::kGroup == 16) quant_group<F, kWide, 1>(w, b, act, scale_a, sum_a[1], acc);
    }
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) w[p] += F::kBytes;
  }
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p)
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n)
      store(a.y + (row + n) * a.y_stride + (i + p) * kLanes, acc[p][n]);
}

template <class F, bool kWide, size_t N>
inline void quant_tokens(const LinearArgs& a, size_t row) {
  constexpr size_t kPanels = N == 1 ? kQuantDecodePanels : kPrefillPanels;
  size_t i = 0;
  for (; i + kPanels <= a.count; i += kPanels) quant_tile<F, kWide, kPanels, N>(a, i, row);
  for (; i < a.count; ++i) quant_tile<F, kWide, 1, N>(a, i, row);
}

template <class F, bool kWide>
inline void quant_rows(const LinearArgs& a) {
  constexpr size_t kTokens = quant_prefill_tokens(kWide);
  size_t row = 0;
  for (; row + kTokens <= a.rows; row += kTokens) quant_tokens<F, kWide, kTokens>(a, row);
  for (; row + 2 <= a.rows; row += 2) quant_tokens<F, kWide, 2>(a, row);
  for (; row < a.rows; ++row) quant_tokens<F, kWide, 1>(a, row);
}

// Where activations of both widths are kept alike, the kernel for 16 bits reads those of 8, and has no twin.
constexpr bool kOneKernel = act_bytes(true) == act_bytes(false);

template <class F>
inline void linear_quant(const LinearArgs& a) {
  if (a.wide || kOneKernel) quant_rows<F, true>(a);
  else quant_rows<F, kOneKernel>(a);
}
