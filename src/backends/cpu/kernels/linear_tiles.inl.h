// Many rows times blocks on a matrix unit (AMX): weights are unpacked once, to signed bytes and float scales in a scratch,
// then 16 rows of activations pass at a time. The unit makes the exact sums of integers; the chain over blocks is that of
// linear_quant.inl.h, and so are the bits.

constexpr size_t kTileRows = 16, kFewTileRows = 8;  // with fewer rows than these, tiles are mostly empty

// With signed bytes.
template <size_t kGroup, int32_t kOffset, bool kHasMin, bool kPairs>
struct TilePanel : PlainPanel<kGroup, kOffset, 255, kHasMin, kPairs> {
  using Plain = PlainPanel<kGroup, kOffset, 255, kHasMin, kPairs>;
  static_assert(kGroup == 32 || kPairs || !kHasMin, "no type has groups with a minimum each and no common d");
  template <class F, class From>
  static void finish(From, size_t, uint8_t* u) {
    for (size_t j = 0; j < 8; ++j) store_w(u + Plain::kVecs + 64 * j, take_off(Plain::vec(u, 0, j), kOffset));
  }
};

// s of linear_quant.inl.h, of one row.
template <bool kWide>
inline Vec tile_sum(const int32_t* sums) {
  IVec total = load_i(sums);
  if (act_planes(kWide) == 2) total = times256(total) + load_i(sums + kTileRows * kLanes);
  return to_float(total);
}

template <class P, bool kWide>
[[gnu::always_inline]] inline void tile_block(const LinearArgs& a, const uint8_t* u, size_t at, size_t n_row, Vec* acc) {
  const size_t stride = a.row_blocks * act_bytes(kWide);
  alignas(64) int32_t sums[P::kGroups][act_planes(kWide) * kTileRows * kLanes];
  for (size_t g = 0; g < P::kGroups; ++g) {
    tile_load_weights(u + P::kVecs + 16 * P::kGroup * g);
    for (size_t plane = 0; plane < act_planes(kWide); ++plane)
      tile_multiply(a.blocks + at * act_bytes(kWide) + plane * kActPlane + P::kGroup * g, stride, sums[g] + plane * kTileRows * kLanes);
  }
#pragma GCC unroll 16
  for (size_t n = 0; n < n_row; ++n, at += a.row_blocks) {
    const Vec first = tile_sum<kWide>(sums[0] + n * kLanes), scale_a = set1(a.scale[at]);
    if constexpr (P::kPairs) {
      const Vec both = mul_add(P::scale(u, 0, 1), tile_sum<kWide>(sums[1] + n * kLanes), P::scale(u, 0, 0) * first);
      if constexpr (P::kHasMin) {
        const Vec min = P::min(u, 0, 0) * set1(static_cast<float>(a.sum[2 * at]));
        const Vec mins = mul_add(P::min(u, 0, 1), set1(static_cast<float>(a.sum[2 * at + 1])), min);
        acc[n] = mul_add(neg_mul_add(P::dmin(u), mins, P::d(u) * both), scale_a, acc[n]);
      } else {
        acc[n] = mul_add(both, P::d(u) * scale_a, acc[n]);
      }
    } else {
      acc[n] = mul_add(first, P::scale(u, 0, 0) * scale_a, acc[n]);
      if constexpr (P::kHasMin)
        acc[n] = neg_mul_add(P::min(u, 0, 0), set1(a.scale[at] * static_cast<float>(a.sum[2 * at] + a.sum[2 * at + 1])), acc[n]);
      if constexpr (P::kGroups == 2) acc[n] = mul_add(tile_sum<kWide>(sums[1] + n * kLanes), P::scale(u, 0, 1) * scale_a, acc[n]);
    }
  }
}

// kFull: n_row is 16, so that the chains stay in registers.
template <class P, bool kWide, bool kFull>
inline void tile_rows(const LinearArgs& a, size_t row, size_t some_rows) {
  const size_t n_row = kFull ? kTileRows : some_rows;
  tile_begin(n_row, P::kGroup);
  for (size_t i = 0; i < a.count; ++i) {
    float* const y = a.y + row * a.y_stride + i * kLanes;
    Vec acc[kTileRows];
#pragma GCC unroll 16
    for (size_t n = 0; n < n_row; ++n) acc[n] = a.goes_on ? load(y + n * a.y_stride) : zero();
    const uint8_t* u = a.panels + i * a.panel_stride;
    for (size_t b = 0; b < a.k / 32; ++b, u += P::kBytes) tile_block<P, kWide>(a, u, row * a.row_blocks + b, n_row, acc);
#pragma GCC unroll 16
    for (size_t n = 0; n < n_row; ++n) store(y + n * a.y_stride, acc[n]);
  }
  tile_end();
}
template <class P, bool kWide>
inline void tile_cut(const LinearArgs& a) {
  size_t row = 0;
  for (; row + kTileRows <= a.rows; row += kTileRows) tile_rows<P, kWide, true>(a, row, kTileRows);
  if (row < a.rows) tile_rows<P, kWide, false>(a, row, a.rows - row);
}

template <class F, bool kWide>
inline void quant_rows(const LinearArgs& a) {
  using P = TilePanel<F::kGroup, F::kOffset, F::kHasMin, F::kPairs>;
  alignas(64) uint8_t scratch[kCutBlocks * P::kBytes];  // up to 22 KB, which stay in the first-level cache
  const size_t n_block = a.k / 32;
  for (size_t i = 0; i < a.count; ++i) {
    LinearArgs panel = a;
    panel.count = 1;
    panel.y += i * kLanes;
    for (size_t first = 0; first < n_block; first += kCutBlocks) {
      const size_t n = n_block - first < kCutBlocks ? n_block - first : kCutBlocks;
      for (size_t at = first; at < first + n; ++at) {
        const uint8_t* unit = a.panels + i * a.panel_stride + at / (F::kUnit / 32) * F::kBytes;
        unpack<P, F>(unit, at % (F::kUnit / 32), scratch + (at - first) * P::kBytes);
      }
      tile_cut<P, kWide>(cut_of<kWide>(panel, scratch, P::kBytes, first, n));
    }
  }
}
template <class F>
inline void linear_quant(const LinearArgs& a) {
  if (a.wide) quant_rows<F, true>(a);
  else quant_rows<F, false>(a);
}

// What linear_slices.inl.h makes of its pieces.
template <class F, bool kWide, bool>
struct PlainOf {
  using Panel = TilePanel<F::kPairs ? 16 : 32, F::kOffset, F::kHasMin, F::kPairs>;
  static void rows(const LinearArgs& a) { tile_cut<Panel, kWide>(a); }
};
template <class F, bool kWide>
inline void dense_rows(const LinearArgs& a);  // linear_slices.inl.h
template <class F>
inline void linear_slice(const LinearArgs& a) {
  if (a.wide) dense_rows<F, true>(a);
  else dense_rows<F, false>(a);
}
