// Many rows times blocks on a matrix unit (AMX): up to 16 rows of activations times a panel, a group of k at a time. The unit makes
// the exact sums of integers; the chain over blocks is that of linear_quant.inl.h, and so are the bits.

constexpr size_t kTileRows = 16, kFewTileRows = 8;  // with fewer rows than these, tiles are mostly empty

// sums [plane][row][output] of half kHalf (or all) of block b.
template <class F, bool kWide, size_t kHalf>
inline void tile_sums(const uint8_t* w, size_t b, const uint8_t* act, size_t act_stride, int32_t* sums) {
  constexpr size_t kSteps = F::kGroup / 4;
  alignas(64) uint8_t weights[64 * kSteps];
#pragma GCC unroll 8
  for (size_t j = 0; j < kSteps; ++j) store_w(weights + 64 * j, F::vec(w, b, kSteps * kHalf + j));
  tile_load_weights(weights);
  for (size_t plane = 0; plane < act_planes(kWide); ++plane)
    tile_multiply(act + plane * kActPlane + F::kGroup * kHalf, act_stride, sums + plane * kTileRows * kLanes);
}

// s and s_a of linear_quant.inl.h.
struct TileGroup {
  Vec sum;
  float sum_a;
};
template <class F, bool kWide>
inline TileGroup tile_group(const LinearArgs& a, const int32_t* sums, size_t at, size_t half) {
  const int32_t sum_a = F::kGroup == 32 ? a.sum[2 * at] + a.sum[2 * at + 1] : a.sum[2 * at + half];
  IVec total = load_sums(sums);
  if (act_planes(kWide) == 2) total = times256(total) + load_sums(sums + kTileRows * kLanes);
  return {to_float(total + iset1(-F::kOffset * sum_a)), static_cast<float>(sum_a)};
}

template <class F, bool kWide>
inline void tile_block(const LinearArgs& a, const uint8_t* w, size_t b, size_t at, size_t n_row, Vec* acc) {
  constexpr size_t kGroups = 32 / F::kGroup;
  static_assert(kGroups == 1 || F::kPairs || !F::kHasMin);
  const size_t stride = a.row_blocks * act_bytes(kWide);
  alignas(64) int32_t sums[kGroups][act_planes(kWide) * kTileRows * kLanes];
  tile_sums<F, kWide, 0>(w, b, a.blocks + at * act_bytes(kWide), stride, sums[0]);
  if constexpr (kGroups == 2) tile_sums<F, kWide, 1>(w, b, a.blocks + at * act_bytes(kWide), stride, sums[1]);
  for (size_t n = 0; n < n_row; ++n, at += a.row_blocks) {
    const Vec scale_a = set1(a.scale[at]);
    const TileGroup first = tile_group<F, kWide>(a, sums[0] + n * kLanes, at, 0);
    if constexpr (F::kPairs) {
      const TileGroup second = tile_group<F, kWide>(a, sums[1] + n * kLanes, at, 1);
      const Vec both = mul_add(F::scale(w, b, 1), second.sum, F::scale(w, b, 0) * first.sum);
      if constexpr (F::kHasMin) {
        const Vec mins = mul_add(F::min(w, b, 1), set1(second.sum_a), F::min(w, b, 0) * set1(first.sum_a));
        acc[n] = mul_add(neg_mul_add(F::dmin(w), mins, F::d(w) * both), scale_a, acc[n]);
      } else {
        acc[n] = mul_add(both, F::d(w) * scale_a, acc[n]);
      }
    } else {
      acc[n] = mul_add(first.sum, F::scale(w, b, 0) * scale_a, acc[n]);
      if (F::kHasMin) acc[n] = neg_mul_add(F::min(w, b, 0), set1(a.scale[at] * first.sum_a), acc[n]);
      if constexpr (kGroups == 2) {
        const TileGroup second = tile_group<F, kWide>(a, sums[1] + n * kLanes, at, 1);
        acc[n] = mul_add(second.sum, F::scale(w, b, 1) * scale_a, acc[n]);
      }
    }
  }
}

template <class F, bool kWide>
inline void tile_rows(const LinearArgs& a, size_t row, size_t n_row) {
  tile_begin(n_row, F::kGroup);
  for (size_t i = 0; i < a.count; ++i) {
    const uint8_t* w = a.panels + i * a.panel_stride;
    Vec acc[kTileRows];
    for (size_t n = 0; n < n_row; ++n)
      acc[n] = a.goes_on ? load(a.y + (row + n) * a.y_stride + i * kLanes) : zero();
    for (size_t block = 0; block < a.k / 32; block += F::kUnit / 32, w += F::kBytes)
      for (size_t b = 0; b < F::kUnit / 32; ++b)
        tile_block<F, kWide>(a, w, b, row * a.row_blocks + block + b, n_row, acc);
    for (size_t n = 0; n < n_row; ++n) store(a.y + (row + n) * a.y_stride + i * kLanes, acc[n]);
  }
  tile_end();
}

template <class F, bool kWide>
inline void quant_rows(const LinearArgs& a) {
  for (size_t row = 0; row < a.rows; row += kTileRows)
    tile_rows<F, kWide>(a, row, a.rows - row < kTileRows ? a.rows - row : kTileRows);
}
template <class F>
inline void linear_quant(const LinearArgs& a) {
  if (a.wide) quant_rows<F, true>(a);
  else quant_rows<F, false>(a);
}

template <class F, bool kWide>
inline void dense_rows(const LinearArgs& a);  // linear_slices.inl.h
template <class F>
inline void linear_slice(const LinearArgs& a) {
  if (a.wide) dense_rows<F, true>(a);
  else dense_rows<F, false>(a);
}
