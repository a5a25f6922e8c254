// Slices (linear_slices.inl.h) times one or two rows of which most values are 0: only the k of the others are read.

// Fetches what block `b` of a list will read; addresses behind the slice are those of the next one.
template <class F>
inline void prefetch_active(const uint8_t* slice, size_t b, const uint8_t* list) {
  const uint8_t* unit = slice + b * slice_unit_bytes<F>();
  const uint8_t* rows = unit + F::kHead;
  for (size_t at = 0; at < F::kHead; at += 64) prefetch(unit + at);
  for (size_t i = 0; i < list[0]; ++i)
    for (size_t at = 0; at < F::kRow; at += 64) prefetch(rows + list[1 + i] * F::kRow + at);
}

template <class F, bool kWide>
inline void sparse_row(const LinearArgs& a, size_t row) {
  constexpr size_t kPlanes = act_planes(kWide), kShort = short_steps(F::kLargest, kWide);
  static_assert(kShort == 0 || kShort >= 8, "a block's sums must fit 16 bits, or be made in 32");
  constexpr size_t kAhead = 4;  // blocks: at 15 % active k some 3 KB
  const size_t n_block = a.k / 32;
  const uint8_t* lists = a.active + row * n_block * kActiveBytes;
  Vec acc[kSlicePanels];
  for (Vec& v : acc) v = zero();
  for (size_t b = 0; b < n_block; ++b) {
    const size_t ahead = b + kAhead < n_block ? b + kAhead : b + kAhead - n_block;  // there the next slice begins
    if (ahead < n_block) prefetch_active<F>(a.panels, b + kAhead, lists + ahead * kActiveBytes);
    const uint8_t* list = lists + b * kActiveBytes;
    if (list[0] == 0) continue;
    const uint8_t* unit = a.panels + b * slice_unit_bytes<F>();
    const uint8_t* rows = unit + F::kHead;
    const size_t at = row * n_block + b;
    const uint8_t* act = a.blocks + at * act_bytes(kWide);
    const int32_t sum_a = a.sum[2 * at] + a.sum[2 * at + 1];
    const Vec scale_a = set1(a.scale[at]);
    const Vec sum_scaled = set1(a.scale[at] * static_cast<float>(sum_a));
    IVec sums[kPlanes][kSlicePanels];
    for (size_t part = 0; part < kParts; ++part) {
      IPart some[kPlanes][kSlicePanels];
#pragma GCC unroll 8
      for (size_t p = 0; p < kSlicePanels; ++p)
        for (size_t plane = 0; plane < kPlanes; ++plane) some[plane][p] = zero_part();
      for (size_t step = 0; 4 * step < list[0]; ++step) {
        const uint8_t* k = list + 1 + 4 * step;  // padded to fours, with activations of 0
        const uint8_t* const r[4] = {rows + k[0] * F::kRow, rows + k[1] * F::kRow, rows + k[2] * F::kRow,
                                     rows + k[3] * F::kRow};
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
#pragma GCC unroll 8
    for (size_t p = 0; p < kSlicePanels; ++p) {
      IVec total = sums[kPlanes - 1][p];
      if (kPlanes == 2) total = times256(sums[0][p]) + total;
      if constexpr (kShort > 0) total = widen(total);
      total = total + iset1((dot_bias(F::kLargest) - F::kOffset) * sum_a);
      acc[p] = mul_add(to_float(total), F::scale(unit, p) * scale_a, acc[p]);
      if (F::kHasMin) acc[p] = mul_add(zero() - F::min(unit, p), sum_scaled, acc[p]);
    }
  }
  for (size_t p = 0; p < a.count; ++p) store(a.y + row * a.y_stride + p * kLanes, acc[p]);
}

template <class F>
inline void linear_slice(const LinearArgs& a) {
  if (!a.active) {
    if (a.wide || kOneKernel) return dense_rows<F, true>(a);
    return dense_rows<F, kOneKernel>(a);
  }
  for (size_t row = 0; row < a.rows; ++row)
    if (a.wide || kOneKernel) sparse_row<F, true>(a, row);
    else sparse_row<F, kOneKernel>(a, row);
}
