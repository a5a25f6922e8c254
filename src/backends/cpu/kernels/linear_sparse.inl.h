// Slices (linear_slices.inl.h) times one or two rows: of a row that is mostly zeros only the k of the others are read.

// Fetches what block `b` of a list will read; addresses behind the slice are those of the next one.
template <class F>
inline void prefetch_active(const uint8_t* slice, size_t b, const uint8_t* list) {
  const uint8_t* unit = slice + b * slice_unit_bytes<F>();
  const uint8_t* rows = unit + F::kHead;
  for (size_t at = 0; at < F::kHead; at += 64) prefetch(unit + at);
  for (size_t i = 0; i < list[0]; ++i)
    for (size_t at = 0; at < F::kRow; at += 64) prefetch(rows + list[1 + i] * F::kRow + at);
}
// Fetches, in share `i` of `n`, half a unit ahead in a slice that is read whole: all at once would fill the buffers for
// what is missing, none would leave a single stream to the hardware, which a unit's second part reads nothing of.
template <class F>
inline void prefetch_share(const uint8_t* unit, size_t i, size_t n) {
  constexpr size_t kLines = slice_unit_bytes<F>() / 64;
  const size_t lines = (kLines + n - 1) / n;
  for (size_t line = i * lines; line < (i + 1) * lines; ++line) prefetch(unit + kLines / 2 * 64 + 64 * line);
}

// Sums of a unit's products with `act`: of the k in `list`, or of all.
template <class F, bool kWide, bool kLists>
inline void slice_sums(const uint8_t* unit, const uint8_t* act, const uint8_t* list,
                       IVec (&sums)[act_planes(kWide)][kSlicePanels]) {
  constexpr size_t kPlanes = act_planes(kWide), kShort = short_steps(F::kLargest, kWide);
  static_assert(kShort == 0 || kShort >= 8, "a block's sums must fit 16 bits, or be made in 32");
  const uint8_t* rows = unit + F::kHead;
  const size_t n_step = kLists ? (list[0] + 3) / 4 : 8;
  for (size_t part = 0; part < kParts; ++part) {
    IPart some[kPlanes][kSlicePanels];
#pragma GCC unroll 8
    for (size_t p = 0; p < kSlicePanels; ++p)
      for (size_t plane = 0; plane < kPlanes; ++plane) some[plane][p] = zero_part();
    for (size_t step = 0; step < n_step; ++step) {
      const uint8_t* k = list + 1 + 4 * step;  // padded to fours, with activations of 0
      const uint8_t* r[4];
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i) r[i] = rows + (kLists ? k[i] : 4 * step + i) * F::kRow;
      if (!kLists) prefetch_share<F>(unit, part * 8 + step, kParts * 8);
      const uint8_t* four = act + step * act_step(kWide);
      F::four(r, part, [&](size_t p, WPart v) {
        if constexpr (kShort > 0) some[0][p] = short_dot(some[0][p], v, four);
        else
          for (size_t plane = 0; plane < kPlanes; ++plane)
            some[plane][p] = dot<kWide, F::kLargest>(some[plane][p], v, four + plane * kActPlane);
      });
    }
#pragma GCC unroll 8
    for (size_t p = 0; p < kSlicePanels; ++p)
      for (size_t plane = 0; plane < kPlanes; ++plane) set_part(sums[plane][p], part, some[plane][p]);
  }
}

template <class F, bool kWide, bool kLists>
inline void slice_row(const LinearArgs& a, size_t row) {
  constexpr size_t kPlanes = act_planes(kWide);
  constexpr size_t kAhead = 4;  // blocks: at 15 % active k some 3 KB
  const size_t n_block = a.k / 32;
  const uint8_t* lists = a.active + row * n_block * kActiveBytes;
  Vec acc[kSlicePanels];
  for (Vec& v : acc) v = zero();
  for (size_t b = 0; b < n_block; ++b) {
    const uint8_t* list = lists + b * kActiveBytes;
    if (kLists) {
      const size_t ahead = b + kAhead < n_block ? b + kAhead : b + kAhead - n_block;  // there the next slice begins
      if (ahead < n_block) prefetch_active<F>(a.panels, b + kAhead, lists + ahead * kActiveBytes);
      if (list[0] == 0) continue;
    }
    const uint8_t* unit = a.panels + b * slice_unit_bytes<F>();
    const size_t at = row * n_block + b;
    IVec sums[kPlanes][kSlicePanels];
    slice_sums<F, kWide, kLists>(unit, a.blocks + at * act_bytes(kWide), list, sums);
    const int32_t sum_a = a.sum[2 * at] + a.sum[2 * at + 1];
    const Vec scale_a = set1(a.scale[at]);
    const Vec sum_scaled = set1(a.scale[at] * static_cast<float>(sum_a));
#pragma GCC unroll 8
    for (size_t p = 0; p < kSlicePanels; ++p) {
      IVec total = sums[kPlanes - 1][p];
      if (kPlanes == 2) total = times256(sums[0][p]) + total;
      if constexpr (short_steps(F::kLargest, kWide) > 0) total = widen(total);
      total = total + iset1((dot_bias(F::kLargest) - F::kOffset) * sum_a);
      acc[p] = mul_add(to_float(total), F::scale(unit, p) * scale_a, acc[p]);
      if (F::kHasMin) acc[p] = mul_add(zero() - F::min(unit, p), sum_scaled, acc[p]);
    }
  }
  for (size_t p = 0; p < a.count; ++p) store(a.y + row * a.y_stride + p * kLanes, acc[p]);
}

template <class F, bool kWide>
inline void slice_rows(const LinearArgs& a) {
  if (!a.active) return dense_rows<F, kWide>(a);
  for (size_t row = 0; row < a.rows; ++row)
    if (a.active[row * (a.k / 32) * kActiveBytes] == kNoLists) slice_row<F, kWide, false>(a, row);
    else slice_row<F, kWide, true>(a, row);
}
template <class F>
inline void linear_slice(const LinearArgs& a) {
  if (a.wide || kOneKernel) return slice_rows<F, true>(a);
  return slice_rows<F, kOneKernel>(a);
}
