// Matrices whose input is mostly exact zeros (after relu^2), stored by unit: a slice of 128 outputs holds, for each k,
// the weights of all its outputs side by side, so that the k of a zero are never read. The quants and scales are the
// file's own, and an output is the chain of linear_quant.inl.h: sums of integers do not mind terms that
// are 0, and fma(0, scale, acc) is acc. With more than kSparseRows rows the active k of all of them are nearly all
// k: then a piece of the slice is turned into panels of bytes and multiplied as any matrix is.
//
//   a unit (32 k): kHead bytes of scales, then a row of kRow bytes for each k
//   inside each 64 bytes of a row: byte 16 L + 4 m + i is output 16 m + 4 L + i (L, m, i < 4), in which order four rows
//   interleave to four vectors of a panel. Nibbles: low ones outputs 0..63, high ones 64..127.

constexpr size_t kSlicePanels = kSliceOutputs / kLanes;

// f(p, v): the weights of four k as a vector of panel p, unsigned bytes; few of them at a time fit the registers.
template <class Use>
inline void four_bytes(const uint8_t* const (&r)[4], Use f) {
#pragma GCC unroll 2
  for (size_t h = 0; h < 2; ++h) {
    WVec v[4];
    interleave(load_w(r[0] + 64 * h), load_w(r[1] + 64 * h), load_w(r[2] + 64 * h), load_w(r[3] + 64 * h), v);
#pragma GCC unroll 4
    for (size_t m = 0; m < 4; ++m) f(4 * h + m, v[m]);
  }
}
template <class Use>
inline void four_nibbles(const uint8_t* const (&r)[4], Use f) {
  WVec both[4];
  interleave(load_w(r[0]), load_w(r[1]), load_w(r[2]), load_w(r[3]), both);
#pragma GCC unroll 4
  for (size_t m = 0; m < 4; ++m) {
    f(m, mask(both[m], 0x0f));
    f(m + 4, mask(shift_right(both[m], 4), 0x0f));
  }
}

struct Q8_0Slice {  // 32 k: 128 f16 scales; bytes with 128 added
  static constexpr size_t kHead = 2 * kSliceOutputs, kRow = kSliceOutputs;
  static constexpr int32_t kOffset = 128, kLargest = 255;
  static constexpr bool kHasMin = false;
  template <class Use>
  static void four(const uint8_t* const (&r)[4], Use f) {
    four_bytes(r, f);
  }
  static Vec scale(const uint8_t* u, size_t p) { return half_row(u + 32 * p); }
  static Vec min(const uint8_t*, size_t) { return zero(); }
};
struct Q4_0Slice {  // 32 k: scales; nibbles
  static constexpr size_t kHead = 2 * kSliceOutputs, kRow = kSliceOutputs / 2;
  static constexpr int32_t kOffset = 8, kLargest = 15;
  static constexpr bool kHasMin = false;
  template <class Use>
  static void four(const uint8_t* const (&r)[4], Use f) {
    four_nibbles(r, f);
  }
  static Vec scale(const uint8_t* u, size_t p) { return half_row(u + 32 * p); }
  static Vec min(const uint8_t*, size_t) { return zero(); }
};
struct Q4_1Slice {  // 32 k: scales, minima (added, so min is their negative); nibbles
  static constexpr size_t kHead = 4 * kSliceOutputs, kRow = kSliceOutputs / 2;
  static constexpr int32_t kOffset = 0, kLargest = 15;
  static constexpr bool kHasMin = true;
  template <class Use>
  static void four(const uint8_t* const (&r)[4], Use f) {
    four_nibbles(r, f);
  }
  static Vec scale(const uint8_t* u, size_t p) { return half_row(u + 32 * p); }
  static Vec min(const uint8_t* u, size_t p) { return zero() - half_row(u + 2 * kSliceOutputs + 32 * p); }
};
struct IQ4_NLSlice {  // as Q4_0
  static constexpr size_t kHead = 2 * kSliceOutputs, kRow = kSliceOutputs / 2;
  static constexpr int32_t kOffset = 128, kLargest = 241;
  static constexpr bool kHasMin = false;
  template <class Use>
  static void four(const uint8_t* const (&r)[4], Use f) {
    four_nibbles(r, [&](size_t p, WVec w) { f(p, lookup(kIq4Levels, w)); });
  }
  static Vec scale(const uint8_t* u, size_t p) { return half_row(u + 32 * p); }
  static Vec min(const uint8_t*, size_t) { return zero(); }
};
template <class F>
constexpr size_t slice_unit_bytes() {
  return F::kHead + 32 * F::kRow;
}

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
#pragma GCC unroll 8
    for (size_t p = 0; p < kSlicePanels; ++p) {
      sums[kPlanes - 1][p] = iset1(kShort > 0 ? 0 : -F::kOffset * sum_a);
      if (kPlanes == 2) sums[0][p] = iset1(0);
    }
    for (size_t step = 0; 4 * step < list[0]; ++step) {
      const uint8_t* k = list + 1 + 4 * step;  // padded to fours, with activations of 0
      const uint8_t* const r[4] = {rows + k[0] * F::kRow, rows + k[1] * F::kRow, rows + k[2] * F::kRow,
                                   rows + k[3] * F::kRow};
      const uint8_t* four = act + step * act_step(kWide);
      F::four(r, [&](size_t p, WVec v) {
        if constexpr (kShort > 0) sums[0][p] = short_dot(sums[0][p], v, four);
        else
          for (size_t plane = 0; plane < kPlanes; ++plane)
            sums[plane][p] = dot<kWide>(sums[plane][p], v, four + plane * kActPlane);
      });
    }
#pragma GCC unroll 8
    for (size_t p = 0; p < kSlicePanels; ++p) {
      IVec total = sums[kPlanes - 1][p];
      if (kPlanes == 2) total = times256(sums[0][p]) + total;
      if constexpr (kShort > 0) total = widen(total) + iset1(-F::kOffset * sum_a);
      acc[p] = mul_add(to_float(total), F::scale(unit, p) * scale_a, acc[p]);
      if (F::kHasMin) acc[p] = mul_add(zero() - F::min(unit, p), sum_scaled, acc[p]);
    }
  }
  for (size_t p = 0; p < a.count; ++p) store(a.y + row * a.y_stride + p * kLanes, acc[p]);
}

// 32 k of a panel made of a slice: f32 scales and minima, v_0..v_7.
template <class F>
struct SlicePanel {
  static constexpr size_t kUnit = 32, kBytes = 640, kGroup = 32;
  static constexpr int32_t kOffset = F::kOffset, kLargest = F::kLargest;
  static constexpr bool kHasMin = F::kHasMin;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return load_w(u + 128 + 64 * j); }
  static Vec scale(const uint8_t* u, size_t, size_t) { return load_f32(u); }
  static Vec min(const uint8_t* u, size_t, size_t) { return load_f32(u + 64); }
};

template <class F, bool kWide>
inline void dense_rows(const LinearArgs& a) {
  using Panel = SlicePanel<F>;
  constexpr size_t kCut = 4;  // blocks at once: 20 KB, which stay in the first-level cache
  alignas(64) uint8_t scratch[kSlicePanels * kCut * Panel::kBytes];
  const size_t n_block = a.k / 32;
  for (size_t first = 0; first < n_block; first += kCut) {
    const size_t n = n_block - first < kCut ? n_block - first : kCut;
    for (size_t i = 0; i < n; ++i) {
      const uint8_t* unit = a.panels + (first + i) * slice_unit_bytes<F>();
      uint8_t* out = scratch + i * Panel::kBytes;
      for (size_t p = 0; p < kSlicePanels; ++p) {
        auto* head = reinterpret_cast<float*>(out + p * n * Panel::kBytes);
        store(head, F::scale(unit, p));
        store(head + kLanes, F::min(unit, p));
      }
      for (size_t j = 0; j < 8; ++j) {
        const uint8_t* rows = unit + F::kHead + 4 * j * F::kRow;
        const uint8_t* const r[4] = {rows, rows + F::kRow, rows + 2 * F::kRow, rows + 3 * F::kRow};
        F::four(r, [&](size_t p, WVec v) { store_w(out + p * n * Panel::kBytes + 128 + 64 * j, v); });
      }
    }
    LinearArgs cut = a;
    cut.panels = scratch;
    cut.panel_stride = n * Panel::kBytes;
    cut.ahead = 0;
    cut.k = 32 * n;
    cut.goes_on = first > 0;
    cut.blocks += first * act_bytes(kWide);
    cut.scale += first;
    cut.sum += 2 * first;
    quant_rows<Panel, kWide>(cut);
  }
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
