// Slices (linear_slices.inl.h) times one or two rows: of a row that is mostly zeros only the k of the others are read. Slices
// of floats times any rows.

alignas(64) constexpr uint8_t kAll[kActiveBytes] = {32, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                                    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
// The lists of a row's blocks, or of all k where it has too many for lists.
struct ActiveLists {
  const uint8_t* first;
  size_t stride;
  explicit ActiveLists(const uint8_t* of_row)
      : first(of_row[0] == kNoLists ? kAll : of_row), stride(of_row[0] == kNoLists ? 0 : kActiveBytes) {}
  bool all() const { return stride == 0; }
  const uint8_t* operator[](size_t block) const { return first + block * stride; }
};

inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

// Fetches the heads of blocks [first, last) and every line of rows that they will read. Blocks from n_block on, and up to twice
// that, are the next slice's.
template <class F>
inline void fetch_blocks(const SliceParts<F>& slice, size_t first, size_t last, const ActiveLists& lists) {
  for (size_t b = first; b < last; ++b) {
    size_t block = b;
    const SliceParts<F> from = slice.of(block);
    from.fetch_head(block);
    const uint8_t *rows = from.rows(block), *list = lists[block];
    for (size_t i = 0, last_high = 0; i < list[0]; ++i) {
      const size_t k = list[1 + i];
      prefetch_far(rows + F::row_at(k));
      if constexpr (F::kLow == 8) prefetch_far(rows + F::row_at(k) + F::kHalf);
      if constexpr (F::kHigh > 0) {
        const size_t high = F::high_at(k);
        if (high != last_high) prefetch_far(rows + high);  // once for all that share it
        last_high = high;
      }
    }
  }
}

// Whether a block's sums fit 16 bits.
template <class F, bool kWide>
constexpr bool kShortSums = short_steps(F::kLargest, kWide) >= 8;
// Sums of a unit's products: places [first, last) of its list.
template <class F, bool kWide>
inline void slice_sums(const uint8_t* weights, const uint8_t* act, const uint8_t* list, size_t first, size_t last,
                       IVec (&totals)[kSlicePanels]) {
  constexpr size_t kPlanes = act_planes(kWide);
  IVec sums[kPlanes][kSlicePanels];
  for (size_t part = 0; part < kParts; ++part) {
    IPart some[kPlanes][kSlicePanels];
#pragma GCC unroll 8
    for (size_t p = 0; p < kSlicePanels; ++p)
      for (size_t plane = 0; plane < kPlanes; ++plane) some[plane][p] = zero_part();
    for (size_t i = first / 4 * 4; i < last; i += 4) {
      FourRows<F> rows(weights, list + 1 + i);  // padded to fours, with activations of 0
      if constexpr (F::kPairs) rows.keep(i, first, last);
      const uint8_t* four = act + i / 4 * act_step(kWide);
      four_weights(rows, part, [&](size_t p, WPart v) {
        const WPart w = F::weight(v);
        if constexpr (kShortSums<F, kWide>) some[0][p] = short_dot(some[0][p], w, four);
        else
          for (size_t plane = 0; plane < kPlanes; ++plane)
            some[plane][p] = dot<kWide, F::kLargest>(some[plane][p], w, four + plane * kActPlane);
      });
    }
#pragma GCC unroll 8
    for (size_t p = 0; p < kSlicePanels; ++p)
      for (size_t plane = 0; plane < kPlanes; ++plane) set_part(sums[plane][p], part, some[plane][p]);
  }
#pragma GCC unroll 8
  for (size_t p = 0; p < kSlicePanels; ++p) {
    totals[p] = sums[kPlanes - 1][p];
    if (kPlanes == 2) totals[p] = times256(sums[0][p]) + totals[p];
    if constexpr (kShortSums<F, kWide>) totals[p] = widen(totals[p]);
  }
}

// Block b of a row: adds to all chains.
template <class F, bool kWide>
inline void slice_block(const LinearArgs& a, const SliceParts<F>& slice, size_t b, size_t at, const uint8_t* list,
                        Vec (&acc)[kSlicePanels]) {
  constexpr int32_t kBias = dot_bias(F::kLargest) - F::kOffset;
  const uint8_t *rows = slice.rows(b), *act = a.blocks + at * act_bytes(kWide);
  const int32_t sum_a = a.sum[2 * at] + a.sum[2 * at + 1];
  IVec totals[kSlicePanels];
  slice_sums<F, kWide>(rows, act, list, 0, list[0], totals);
#pragma GCC unroll 8
  for (size_t p = 0; p < kSlicePanels; ++p) {
    const SlicePanel u = slice.panel(b, p);
    acc[p] = mul_add(to_float(totals[p] + iset1(kBias * sum_a)), F::scale(u, 0, 0) * set1(a.scale[at]), acc[p]);
    if constexpr (F::kHasMin) acc[p] = neg_mul_add(F::min(u, 0, 0), set1(a.scale[at] * static_cast<float>(sum_a)), acc[p]);
  }
}
// The same of two groups.
template <class F, bool kWide>
inline void slice_pair(const LinearArgs& a, const SliceParts<F>& slice, size_t b, size_t at, const uint8_t* list,
                       Vec (&acc)[kSlicePanels]) {
  static_assert(dot_bias(F::kLargest) == 0, "weights of 0 add nothing");
  const uint8_t *rows = slice.rows(b), *act = a.blocks + at * act_bytes(kWide);
  size_t n_first = 0;
  while (n_first < list[0] && list[1 + n_first] < 16) ++n_first;
  IVec first[kSlicePanels], second[kSlicePanels];
  slice_sums<F, kWide>(rows, act, list, 0, n_first, first);
  slice_sums<F, kWide>(rows, act, list, n_first, list[0], second);
#pragma GCC unroll 8
  for (size_t p = 0; p < kSlicePanels; ++p) {
    const SlicePanel u = slice.panel(b, p);
    const Vec scaled = F::scale(u, 0, 0) * to_float(first[p] + iset1(-F::kOffset * a.sum[2 * at]));
    const Vec both = mul_add(F::scale(u, 0, 1), to_float(second[p] + iset1(-F::kOffset * a.sum[2 * at + 1])), scaled);
    acc[p] = end_of_pair<F>(u, 0, a, at, both, acc[p]);
  }
}

template <class F, bool kWide>
inline void slice_row(const LinearArgs& a, size_t row) {
  const size_t n_block = a.k / 32;
  const ActiveLists lists(a.active + row * n_block * kActiveBytes);
  const SliceParts<F> slice{a.panels, n_block};
  const size_t n_fetch = lists.all() ? 9216 / (F::kHead + F::kRowBytes) : 8;  // blocks at once: some 8 KB
  const size_t fetch_end = row + 1 == a.rows ? 2 * n_block : n_block;  // after the last row comes the next slice
  Vec acc[kSlicePanels];
  for (Vec& v : acc) v = zero();
  fetch_blocks(slice, 0, least(n_fetch, fetch_end), lists);  // mostly there already
  for (size_t b = 0; b < n_block; ++b) {
    if (b % n_fetch == 0) fetch_blocks(slice, b + n_fetch, least(b + 2 * n_fetch, fetch_end), lists);
    const uint8_t* list = lists[b];
    if (list[0] == 0) continue;
    if constexpr (F::kPairs) slice_pair<F, kWide>(a, slice, b, row * n_block + b, list, acc);
    else slice_block<F, kWide>(a, slice, b, row * n_block + b, list, acc);
  }
  for (size_t p = 0; p < a.count; ++p) store(a.y + row * a.y_stride + p * kLanes, acc[p]);
}

template <class F, bool kWide>
inline void slice_rows(const LinearArgs& a) {
  if (!a.active) return dense_rows<F, kWide>(a);
  for (size_t row = 0; row < a.rows; ++row) slice_row<F, kWide>(a, row);
}
template <class F>
inline void linear_slice(const LinearArgs& a) {
  if (a.wide || kOneKernel) return slice_rows<F, true>(a);
  return slice_rows<F, kOneKernel>(a);
}

// ---- Floats: 128 outputs for each k, 16 bits each (float_slice_at).
constexpr size_t kFloatRow = 2 * kSliceOutputs;
struct WeightsBF16Row {  // not in pairs as in a panel
  static constexpr size_t kStep = 1, kBytes = 32;
  static Vec load(const uint8_t* p, size_t) { return load_bf16(reinterpret_cast<const uint16_t*>(p)); }
};

// As fetch_blocks does.
inline void fetch_floats(const uint8_t* slice, size_t first, size_t last, size_t n_block, const ActiveLists& lists) {
  for (size_t b = first; b < last; ++b) {
    const uint8_t* list = lists[b < n_block ? b : b - n_block];
    for (size_t i = 0; i < list[0]; ++i)
      for (size_t o = 0; o < kSliceOutputs; o += 32) prefetch_far(slice + float_slice_at(32 * b + list[1 + i], o));
  }
}

template <class W>
inline void float_slice_row(const LinearArgs& a, size_t row) {
  constexpr size_t kPanels = kDecodePanels;  // as many as fit the registers
  const size_t n_block = a.k / 32;
  const ActiveLists lists(a.active + row * n_block * kActiveBytes);
  const float* const x = a.x + row * a.x_stride;
  const size_t n_fetch = lists.all() ? 1 : 8, fetch_end = row + 1 == a.rows ? 2 * n_block : n_block;
  Vec acc[kSlicePanels];
  for (Vec& v : acc) v = zero();
  fetch_floats(a.panels, 0, least(n_fetch, fetch_end), n_block, lists);
  for (size_t begin = 0; begin < n_block; begin += n_fetch) {
    const size_t end = begin + n_fetch < n_block ? begin + n_fetch : n_block;
    fetch_floats(a.panels, begin + n_fetch, least(begin + 2 * n_fetch, fetch_end), n_block, lists);
    for (size_t first = 0; first < kSlicePanels; first += kPanels) {
      Vec some[kPanels];
      for (size_t p = 0; p < kPanels; ++p) some[p] = acc[first + p];
      for (size_t b = begin; b < end; ++b) {
        const uint8_t* list = lists[b];
        for (size_t i = 0; i < list[0]; ++i) {
          const size_t k = 32 * b + list[1 + i];
          const Vec value = set1(x[k]);
#pragma GCC unroll 4
          for (size_t p = 0; p < kPanels; ++p)
            some[p] = mul_add(W::load(a.panels + float_slice_at(k, kLanes * (first + p)), 0), value, some[p]);
        }
      }
      for (size_t p = 0; p < kPanels; ++p) acc[first + p] = some[p];
    }
  }
  for (size_t p = 0; p < a.count; ++p) store(a.y + row * a.y_stride + p * kLanes, acc[p]);
}

// Many rows: pieces of k become panels.
template <class W>
inline void float_dense_rows(const LinearArgs& a) {
  constexpr size_t kCut = 64;  // 16 KB, which stay in the first-level cache
  alignas(64) uint8_t scratch[kCut * kFloatRow];
  LinearArgs cut = a;
  cut.panels = scratch;
  cut.ahead = {};
  for (size_t first = 0; first < a.k; first += kCut) {
    cut.k = a.k - first < kCut ? a.k - first : kCut;
    cut.panel_stride = cut.k * W::kBytes;
    cut.x = a.x + first;
    cut.goes_on = first > 0;
    for (size_t k = 0; k < cut.k; ++k)
      for (size_t p = 0; p < kSlicePanels; ++p)
        __builtin_memcpy(scratch + p * cut.panel_stride + k * W::kBytes, a.panels + float_slice_at(first + k, kLanes * p), W::kBytes);
    linear_rows<W>(cut);
  }
}

template <class W>
inline void float_slice(const LinearArgs& a) {
  if (!a.active) return float_dense_rows<W>(a);
  for (size_t row = 0; row < a.rows; ++row) float_slice_row<W>(a, row);
}
inline void linear_floats_by_unit(const LinearArgs& a) {
  if (a.pack == Pack::kF16) float_slice<WeightsF16>(a);
  else float_slice<WeightsBF16Row>(a);
}
