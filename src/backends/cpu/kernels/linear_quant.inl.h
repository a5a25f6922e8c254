// Block-quantized weights times quantized activations. The value of an output is one chain over blocks of 32 in
// rising k; s is the sum of (byte - kOffset) * a over a group of 16 or 32, an exact integer, and s_a that of a:
//   acc <- fma(s, round(scale * scale_a), acc)           for each group
//   acc <- fma(-min, round(scale_a * s_a), acc)          for types with a minimum
// Types of kPairs (two groups a block, scales and minima integers times one d for all) take a block at a time instead:
//   acc <- fma(fma(scale_1, s_1, round(scale_0 * s_0)), round(d * scale_a), acc)
// and those of them with a minimum
//   acc <- fma(fma(-dmin, fma(min_1, s_a1, round(min_0 * s_a0)), round(d * fma(scale_1, s_1, round(scale_0 * s_0)))), scale_a, acc)
// With 8-bit activations the inner sums are exact, so they may as well be made of integers.
// Tiles, rows and instruction sets change speed, never bits.

// Of types whose weights times their scales, plus kFoldedOffset, are bytes up to kFoldedLargest; panels of such bytes.
template <class F>
constexpr bool kFolds = requires { F::kFoldedLargest; };
template <class F>
constexpr bool kIsFolded = F::kPairs && F::kGroup == 32;

// What the rows of a tile bring to a block: activations, and what follows of them for a group g of F.
template <class F, bool kWide>
struct RowsBlock {
  const LinearArgs& a;
  size_t first;  // the block of the first row; others are row_blocks further on
  size_t at(size_t n) const { return first + n * a.row_blocks; }
  const uint8_t* act(size_t n) const { return a.blocks + at(n) * act_bytes(kWide); }
  float scale(size_t n) const { return a.scale[at(n)]; }
  int32_t sum_of(size_t half, size_t n) const { return a.sum[2 * at(n) + half]; }
  int32_t sum(size_t g, size_t n) const { return F::kGroup == 32 ? sum_of(0, n) + sum_of(1, n) : sum_of(g, n); }
  int32_t bias(size_t g, size_t n) const { return (dot_bias(F::kLargest) - F::kOffset) * sum(g, n); }
};

// The products of group kHalf of block b; by way of sums of 16 bits where they can't overflow.
template <class F, bool kWide, size_t kHalf, size_t P, size_t N>
[[gnu::always_inline]] inline void group_sums(const uint8_t* const* w, size_t b, const RowsBlock<F, kWide>& acts, IVec (&totals)[P][N]) {
  constexpr size_t kSteps = F::kGroup / 4, kShort = short_steps(F::kLargest, kWide), kPlanes = act_planes(kWide);
  constexpr size_t kRun = kShort > kSteps ? kSteps : kShort;
  static_assert(kRun == 0 || kSteps % kRun == 0, "no step may be left over");
  IVec sums[kPlanes][P][N];
#pragma GCC unroll 16
  for (size_t n = 0; n < N; ++n)
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      if (kRun == 0) sums[kPlanes - 1][p][n] = iset1(acts.bias(kHalf, n));
      if (kPlanes == 2) sums[0][p][n] = iset1(0);
    }
#pragma GCC unroll 8
  for (size_t step = 0; step < kSteps; ++step) {
    const size_t j = kSteps * kHalf + step;
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      const WVec v = F::vec(w[p], b, j);
#pragma GCC unroll 16
      for (size_t n = 0; n < N; ++n) {
        const uint8_t* a = acts.act(n) + j * act_step(kWide);
        if constexpr (kRun > 0) {
          sums[0][p][n] = short_dot(step % kRun == 0 ? iset1(0) : sums[0][p][n], v, a);
          if ((step + 1) % kRun == 0)
            totals[p][n] = widen(sums[0][p][n]) + (step < kRun ? iset1(acts.bias(kHalf, n)) : totals[p][n]);
        } else {
          for (size_t plane = 0; plane < kPlanes; ++plane)
            sums[plane][p][n] = dot<kWide, F::kLargest>(sums[plane][p][n], v, a + plane * kActPlane);
        }
      }
    }
  }
  if constexpr (kRun == 0)
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p)
#pragma GCC unroll 16
      for (size_t n = 0; n < N; ++n)
        totals[p][n] = kPlanes == 2 ? times256(sums[0][p][n]) + sums[kPlanes - 1][p][n] : sums[0][p][n];
}

template <class F, bool kWide, size_t kHalf, size_t P, size_t N>
[[gnu::always_inline]] inline void quant_group(const uint8_t* const* w, size_t b, const RowsBlock<F, kWide>& acts, Vec (&acc)[P][N]) {
  IVec totals[P][N];
  group_sums<F, kWide, kHalf>(w, b, acts, totals);
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const Vec scale = F::scale(w[p], b, kHalf);
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n)
      acc[p][n] = mul_add(to_float(totals[p][n]), scale * set1(acts.scale(n)), acc[p][n]);
    if (F::kHasMin) {
      const Vec min = F::min(w[p], b, kHalf);
#pragma GCC unroll 16
      for (size_t n = 0; n < N; ++n) acc[p][n] = neg_mul_add(min, set1(acts.scale(n) * static_cast<float>(acts.sum(kHalf, n))), acc[p][n]);
    }
  }
}

// The end of a block of a type of kPairs, whose sums times their scales are `both`; its activations are a's block `at`.
template <class F, class From>
[[gnu::always_inline]] inline Vec end_of_pair(From w, size_t b, const LinearArgs& a, size_t at, Vec both, Vec acc) {
  if constexpr (F::kHasMin) {
    const Vec min = F::min(w, b, 0) * set1(static_cast<float>(a.sum[2 * at]));
    const Vec mins = mul_add(F::min(w, b, 1), set1(static_cast<float>(a.sum[2 * at + 1])), min);
    return mul_add(neg_mul_add(F::dmin(w), mins, F::d(w) * both), set1(a.scale[at]), acc);
  } else {
    return mul_add(both, F::d(w) * set1(a.scale[at]), acc);
  }
}
// A block of a type of kPairs.
template <class F, bool kWide, size_t P, size_t N>
[[gnu::always_inline]] inline void quant_pair(const uint8_t* const* w, size_t b, const RowsBlock<F, kWide>& acts, Vec (*acc)[N]) {
  IVec sums[P][N];
  Vec scaled[P][N];
  group_sums<F, kWide, 0>(w, b, acts, sums);
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const Vec scale = F::scale(w[p], b, 0);
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n) scaled[p][n] = scale * to_float(sums[p][n]);
  }
  group_sums<F, kWide, 1>(w, b, acts, sums);
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const Vec scale = F::scale(w[p], b, 1);
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n)
      acc[p][n] = end_of_pair<F>(w[p], b, acts.a, acts.at(n), mul_add(scale, to_float(sums[p][n]), scaled[p][n]), acc[p][n]);
  }
}
// The end of one whose sum of both groups, times their scales, is there as an integer.
template <class F, size_t N>
[[gnu::always_inline]] inline void end_pair(const uint8_t* w, size_t b, const RowsBlock<F, false>& acts, const IVec (&totals)[N], Vec (&acc)[N]) {
  const Vec d = F::d(w);
  if constexpr (F::kHasMin) {
    const IVec mins = F::both_mins(w, b);
    const Vec dmin = F::dmin(w);
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n) {
      const IVec sums = dot_pairs(mins, iset1(pair_of(acts.sum_of(0, n), acts.sum_of(1, n))));
      const Vec value = neg_mul_add(dmin, to_float(sums), d * to_float(totals[n]));
      acc[n] = mul_add(value, set1(acts.scale(n)), acc[n]);
    }
  } else {
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n) acc[n] = mul_add(to_float(totals[n]), d * set1(acts.scale(n)), acc[n]);
  }
}
// A block of a type of kPairs whose sums fit 16 bits: one product of pairs with both scales.
template <class F, bool kWide>
constexpr bool kSumsJoin = kPairsTogether && F::kPairs && !kWide && 16 * 127 * F::kLargest <= 32767;
template <class F, size_t P, size_t N>
[[gnu::always_inline]] inline void quant_pair_joined(const uint8_t* const* w, size_t b, const RowsBlock<F, false>& acts, Vec (&acc)[P][N]) {
  IVec first[P][N], second[P][N];
  group_sums<F, false, 0>(w, b, acts, first);
  group_sums<F, false, 1>(w, b, acts, second);
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const IVec scales = F::both_scales(w[p], b);
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n) first[p][n] = dot_pairs(both_sums(first[p][n], second[p][n]), scales);
    end_pair<F>(w[p], b, acts, first[p], acc[p]);
  }
}
// The same by way of sums of 16 bits, which are multiplied by their scales as they are widened.
template <class F, size_t P, size_t N>
[[gnu::always_inline]] inline void quant_pair_short(const uint8_t* const* w, size_t b, const RowsBlock<F, false>& acts, Vec (&acc)[P][N]) {
  constexpr size_t kSteps = 4, kShort = short_steps(F::kLargest, false), kRun = kShort > kSteps ? kSteps : kShort;
  static_assert(kSteps % kRun == 0, "no step may be left over");
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    IVec totals[N];
#pragma GCC unroll 2
    for (size_t g = 0; g < 2; ++g) {
      const IVec scale = F::scale_twice(w[p], b, g);
      IVec run[N];
#pragma GCC unroll 4
      for (size_t step = 0; step < kSteps; ++step) {
        const size_t j = kSteps * g + step;
        const WVec v = F::vec(w[p], b, j);
#pragma GCC unroll 16
        for (size_t n = 0; n < N; ++n) {
          run[n] = short_dot(step % kRun == 0 ? iset1(0) : run[n], v, acts.act(n) + j * act_step(false));
          if ((step + 1) % kRun == 0) {
            const IVec scaled = dot_pairs(run[n], scale);
            totals[n] = g == 0 && step < kRun ? scaled : totals[n] + scaled;
          }
        }
      }
    }
    if constexpr (F::kOffset != 0) {
      const IVec offsets = F::offsets(w[p], b);  // -kOffset * (scale_0, scale_1)
#pragma GCC unroll 16
      for (size_t n = 0; n < N; ++n)
        totals[n] = totals[n] + dot_pairs(offsets, iset1(pair_of(acts.sum_of(0, n), acts.sum_of(1, n))));
    }
    end_pair<F>(w[p], b, acts, totals, acc[p]);
  }
}
// The same of a panel whose bytes are the weights times their scales (linear_plain.inl.h).
template <class F, size_t P, size_t N>
[[gnu::always_inline]] inline void quant_folded(const uint8_t* const* w, size_t b, const RowsBlock<F, false>& acts, Vec (&acc)[P][N]) {
  IVec totals[P][N];
  group_sums<F, false, 0>(w, b, acts, totals);
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) end_pair<F>(w[p], b, acts, totals[p], acc[p]);
}

template <class F, bool kWide, size_t P, size_t N>
[[gnu::always_inline]] inline void quant_block(const uint8_t* const* w, size_t b, const RowsBlock<F, kWide>& acts, Vec (&acc)[P][N]) {
  if constexpr (kIsFolded<F>) quant_folded<F>(w, b, acts, acc);
  else if constexpr (F::kPairs && short_steps(F::kLargest, kWide) > 0) quant_pair_short<F>(w, b, acts, acc);
  else if constexpr (kSumsJoin<F, kWide>) quant_pair_joined<F>(w, b, acts, acc);
  else if constexpr (F::kPairs && kPairsTogether) quant_pair<F, kWide, P, N>(w, b, acts, acc);
  else if constexpr (F::kPairs)
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) quant_pair<F, kWide, 1, N>(w + p, b, acts, acc + p);
  else {
    quant_group<F, kWide, 0>(w, b, acts, acc);
    if constexpr (F::kGroup == 16) quant_group<F, kWide, 1>(w, b, acts, acc);
  }
}

// Panels i .. i + P times N rows.
template <class F, bool kWide, size_t P, size_t N>
inline void quant_tile(const LinearArgs& a, size_t i, size_t row) {
  constexpr size_t kBlockBytes = F::kBytes * 32 / F::kUnit;
  Vec acc[P][N];
  const uint8_t* w[P];
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    w[p] = a.panels + (i + p) * a.panel_stride;
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n)
      acc[p][n] = a.goes_on ? load(a.y + (row + n) * a.y_stride + (i + p) * kLanes) : zero();
  }
  const size_t ahead = N == 1 && row == 0 ? a.ahead.one_row : 0;
  const size_t far_ahead = N > 1 && row == 0 ? a.ahead.rows : 0;
  for (size_t block = 0; block < a.k / 32; block += F::kUnit / 32) {
    for (size_t b = 0; b < F::kUnit / 32; ++b) {
      if (far_ahead > 0)
#pragma GCC unroll 4
        for (size_t p = 0; p < P; ++p)
          for (size_t line = 0; line < kBlockBytes; line += 64) prefetch_far(w[p] + b * kBlockBytes + line + far_ahead);
      if (ahead > 0)
#pragma GCC unroll 4
        for (size_t p = 0; p < P; ++p)
          for (size_t line = 0; line < kBlockBytes; line += 64) prefetch(w[p] + b * kBlockBytes + line + ahead);
      quant_block<F, kWide>(w, b, RowsBlock<F, kWide>{a, row * a.row_blocks + block + b}, acc);
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

template <class F, bool kWide, TileShape kShape>
inline void quant_rows_of(const LinearArgs& a, size_t& row) {
  for (; row + kShape.rows <= a.rows; row += kShape.rows) {
    size_t i = 0;
    for (; i + kShape.panels <= a.count; i += kShape.panels) quant_tile<F, kWide, kShape.panels, kShape.rows>(a, i, row);
    if constexpr (kShape.panels > 2)
      for (; i + 2 <= a.count; i += 2) quant_tile<F, kWide, 2, kShape.rows>(a, i, row);
    for (; i < a.count; ++i) quant_tile<F, kWide, 1, kShape.rows>(a, i, row);
  }
}

template <class F, bool kWide>
inline void plain_rows(const LinearArgs& a);  // linear_plain.inl.h

// Each unit in simd/ says, for activations of 16 bits (wide) or 8:
//   quant_shape(wide, pairs, plain): the tile for many rows; of types with two groups a block, of weights that are plain bytes
//   few_rows_shape(wide, plain): the one for up to kFewRows rows times weights that come from memory; no rows: the same
//   unpack_rows(folds): from so many rows on weights are unpacked first; 0: never. Of types that fold with such activations
template <class F, bool kWide, bool kFromMemory = true>
inline void quant_rows(const LinearArgs& a) {
  constexpr size_t kUnpackRows = F::kIsPlain ? 0 : unpack_rows(!kWide && kFolds<F>);
  if constexpr (kUnpackRows > 0)
    if (a.rows >= kUnpackRows) return plain_rows<F, kWide>(a);
  constexpr TileShape kShape = quant_shape(kWide, F::kPairs && !kIsFolded<F>, F::kIsPlain), kFew = few_rows_shape(kWide, F::kIsPlain);
  constexpr size_t kTailPanels = kShape.panels > 1 ? kShape.panels : kPrefillPanels;
  size_t row = 0;
  if constexpr (kFromMemory && kFew.rows > 0)
    if (a.rows <= kFewRows) quant_rows_of<F, kWide, kFew>(a, row);
  quant_rows_of<F, kWide, kShape>(a, row);
  if constexpr (kShape.rows >= 8) quant_rows_of<F, kWide, TileShape{kTailPanels, 4}>(a, row);
  quant_rows_of<F, kWide, TileShape{kTailPanels, 2}>(a, row);
  // One row reads panels that are neighbours in memory one after another: one stream. But where a panel is so long that it pushes
  // the row's activations out of the first-level cache, several panels share them.
  constexpr size_t kLongRow = 8192;
  const bool neighbours = a.panel_stride == a.k / F::kUnit * F::kBytes;
  if (kFromMemory && neighbours && a.k < kLongRow) quant_rows_of<F, kWide, TileShape{1, 1}>(a, row);
  else quant_rows_of<F, kWide, TileShape{kQuantDecodePanels, 1}>(a, row);
}

// Where activations of both widths are kept alike, the kernel for 16 bits reads those of 8, and has no twin.
constexpr bool kOneKernel = act_bytes(true) == act_bytes(false);

template <class F>
inline void linear_quant(const LinearArgs& a) {
  if (a.wide || kOneKernel) quant_rows<F, true>(a);
  else quant_rows<F, kOneKernel>(a);
}
