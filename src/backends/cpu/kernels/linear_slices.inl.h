// Matrices whose input is mostly exact zeros (after relu^2), stored by unit: a slice of 128 outputs holds, for each k,
// the weights of all its outputs side by side, so that the k of a zero are never read. The quants and scales are the
// file's own, and an output is the chain of linear_quant.inl.h: sums of integers do not mind terms that
// are 0, and fma(0, scale, acc) is acc. With more than kSparseRows rows the active k of all of them are nearly all
// k: then a piece of the slice is turned into panels of bytes and multiplied as any matrix is.
//
//   where scales and weights lie: SliceUnit (slice_unit.h)
//   inside each 64 bytes of weights: byte 16 L + 4 m + i is output 16 m + 4 L + i (L, m, i < 4), in which order four rows
//   interleave to four vectors of a panel

constexpr size_t kSlicePanels = kSliceOutputs / kLanes;

alignas(64) constexpr uint8_t kZeros[64] = {};
// Where the weights of four k of a unit lie.
template <class Unit>
struct FourRows {
  const uint8_t *low[4], *high[4];
  unsigned shift[4];  // of high
  FourRows(const uint8_t* rows, const uint8_t* k) {
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      low[i] = rows + Unit::row_at(k[i]);
      if constexpr (Unit::kHigh > 0) {
        high[i] = rows + Unit::high_at(k[i]);
        shift[i] = Unit::high_shift(k[i]);
      }
    }
  }
  // Reads zeros for those of places i .. i + 3 that are not in [first, last).
  void keep(size_t i, size_t first, size_t last) {
#pragma GCC unroll 4
    for (size_t s = 0; s < 4; ++s) {
      const bool kept = i + s >= first && i + s < last;
      low[s] = kept ? low[s] : kZeros;
      high[s] = kept ? high[s] : kZeros;
    }
  }
  void low_at(size_t at, WPart (&out)[4]) const {
    interleave(load_part(low[0] + at), load_part(low[1] + at), load_part(low[2] + at), load_part(low[3] + at), out);
  }
  void high_at(size_t at, WPart (&out)[4]) const {  // with bits of other k behind them
    interleave(shift_right(load_part(high[0] + at), shift[0]), shift_right(load_part(high[1] + at), shift[1]),
               shift_right(load_part(high[2] + at), shift[2]), shift_right(load_part(high[3] + at), shift[3]), out);
  }
};
// f(p, v): part `part` of the weights of four k of panel p, unsigned bytes. Parts, because the sums of a part of all
// panels fit the registers, and of all of them do not.
template <class Unit, class Use>
inline void four_weights(const FourRows<Unit>& r, size_t part, Use f) {
  constexpr size_t kLow = Unit::kLow, kHigh = Unit::kHigh;
  WPart v[4];
  if constexpr (kLow == 8) {
#pragma GCC unroll 2
    for (size_t h = 0; h < 2; ++h) {
      r.low_at(Unit::kHalf * h + kPartBytes * part, v);
#pragma GCC unroll 4
      for (size_t m = 0; m < 4; ++m) f(4 * h + m, v[m]);
    }
    return;
  }
  r.low_at(kPartBytes * part, v);
  constexpr uint8_t kMask = (1 << kLow) - 1, kHighMask = ((1 << kHigh) - 1) << kLow;
  WPart high[4];
  if constexpr (kHigh > 0) r.high_at(kPartBytes * part, high);
#pragma GCC unroll 4
  for (size_t m = 0; m < 4; ++m) {
    const WPart first = mask(v[m], kMask), second = mask(shift_right(v[m], kLow), kMask);
    if constexpr (kHigh == 0) {
      f(m, first);
      f(m + 4, second);
    } else {
      f(m, first | mask(shift_left(high[m], kLow), kHighMask));
      f(m + 4, second | mask(shift_left(high[m], kLow - kHigh), kHighMask));
    }
  }
}

// Outputs of panel p of a unit: its head, and the tail of its eight.
struct SlicePanel {
  const uint8_t *head, *tail;
  size_t p;
};
// The parts of a slice. fetch_*: what a block reads of them, into the second-level cache.
template <class F>
struct SliceParts {
  const uint8_t* begin;
  size_t n_block;
  size_t bytes() const { return F::rows_at(n_block, n_block); }
  SlicePanel panel(size_t block, size_t p) const { return {begin + F::head_at(block), begin + F::tail_at(block), p}; }
  const uint8_t* rows(size_t block) const { return begin + F::rows_at(n_block, block); }
  // The slice of a block that is counted from this slice's first: this or the next. `block` becomes one of it.
  SliceParts of(size_t& block) const {
    if (block < n_block) return *this;
    block -= n_block;
    return {begin + bytes(), n_block};
  }
  void fetch_head(size_t block) const {
    for (size_t byte = 0; byte < F::kHead; byte += 64) prefetch_far(begin + F::head_at(block) + byte);
    if (block % 8 != 0) return;  // the first of eight brings their tail
    for (size_t byte = 0; byte < F::kTail; byte += 64) prefetch_far(begin + F::tail_at(block) + byte);
  }
  void fetch_all(size_t block) const {
    fetch_head(block);
    for (size_t byte = 0; byte < F::kRowBytes; byte += 64) prefetch_far(rows(block) + byte);
  }
};
// The i-th scale of the scales.
inline Vec tail_row(SlicePanel u, size_t i) { return half_row(u.tail + 2 * (kSliceOutputs * i + kLanes * u.p)); }
// How types have their scales; minima are taken off. Names and arguments are those of the panels' types (quant_formats.inl.h).
template <class Unit>
struct HalfScales : Unit {  // minima, which the file adds
  static Vec scale(SlicePanel u, size_t, size_t) { return half_row(u.head + 32 * u.p); }
  static Vec min(SlicePanel u, size_t, size_t) {
    static_assert(Unit::kHead == 4 * kSliceOutputs);
    return zero() - half_row(u.head + 2 * kSliceOutputs + 32 * u.p);
  }
};
template <class Unit>
struct ByteScales : Unit {
  static Vec scale(SlicePanel u, size_t, size_t) { return tail_row(u, 0) * load_u8(u.head + 16 * u.p); }
  static Vec min(SlicePanel u, size_t, size_t) { return tail_row(u, 1) * load_u8(u.head + kSliceOutputs + 16 * u.p); }
};
template <class Unit>
struct SignedByteScales : Unit {
  static Vec scale(SlicePanel u, size_t, size_t) { return tail_row(u, 0) * load_i8(u.head + 16 * u.p); }
};
template <class Unit>
struct PairBytes : Unit {  // a panel's bytes of both groups side by side
  static const uint8_t* bytes(SlicePanel u, size_t, size_t half) { return u.head + 32 * u.p + 16 * half; }
  static Vec d(SlicePanel u) { return tail_row(u, 0); }
};

template <class Panel, class Scales>
struct Slice : Scales {
  static constexpr int32_t kOffset = Panel::kOffset, kLargest = Panel::kLargest;
  static constexpr bool kHasMin = Panel::kHasMin, kPairs = Panel::kPairs;
  static WPart weight(WPart w) { return w; }
};
template <class Panel, class Scales>
struct Iq4Slice : Slice<Panel, Scales> {
  static WPart weight(WPart w) { return lookup(kIq4Levels, w); }
};
using Q8_0Slice = Slice<Q8_0Panel, HalfScales<Slice8Unit>>;
using Q4_0Slice = Slice<Q4_0Panel, HalfScales<Slice4Unit>>;
using Q4_1Slice = Slice<Q4_1Panel, HalfScales<Slice4MinUnit>>;
using Q5_0Slice = Slice<Q5_0Panel, HalfScales<Slice5Unit>>;
using Q5_1Slice = Slice<Q5_1Panel, HalfScales<Slice5MinUnit>>;
using Q4_KSlice = Slice<Q4_KPanel, ByteScales<Slice4KUnit>>;
using Q5_KSlice = Slice<Q5_KPanel, ByteScales<Slice5KUnit>>;
using IQ4_NLSlice = Iq4Slice<IQ4_NLPanel, HalfScales<Slice4Unit>>;
using IQ4_XSSlice = Iq4Slice<IQ4_XSPanel, SignedByteScales<Slice4SignedUnit>>;
struct Q6_KSlice : Slice<Q6_KPanel, PairBytes<Slice6PairUnit>>, SignedScales<Q6_KSlice, Q6_KPanel::kOffset> {};

template <class F, bool kWide>
inline void dense_rows(const LinearArgs& a) {
  using Plain = PlainOf<F, kWide, F::kPairs>;
  using Panel = typename Plain::Panel;
  // Blocks at once: up to 112 KB of stack, which stay in the second-level cache; fewer times few rows, so that memory rests for
  // shorter times. What comes kAhead blocks later is fetched as a block is unpacked.
  constexpr size_t kMostCut = 16, kFewCut = 4, kAhead = 4;
  static_assert(kMostCut <= kCutBlocks);
  alignas(64) uint8_t scratch[kSlicePanels * kMostCut * Panel::kBytes];
  const bool few = a.rows <= kFewRows;
  const size_t cut = few ? kFewCut : kMostCut;
  const size_t n_block = a.k / 32;
  const SliceParts<F> slice{a.panels, n_block};
  for (size_t first = 0; first < n_block; first += cut) {
    const size_t n = n_block - first < cut ? n_block - first : cut;
    for (size_t i = 0; i < n; ++i) {
      size_t later = first + i + kAhead;
      const SliceParts<F> its_slice = slice.of(later);
      its_slice.fetch_all(later);
      uint8_t* out = scratch + i * Panel::kBytes;
      for (size_t p = 0; p < kSlicePanels; ++p)
        Panel::template head<F>(slice.panel(first + i, p), 0, out + p * n * Panel::kBytes);
      for (size_t j = 0; j < 8; ++j) {
        const uint8_t k[4] = {uint8_t(4 * j), uint8_t(4 * j + 1), uint8_t(4 * j + 2), uint8_t(4 * j + 3)};
        const FourRows<F> rows(slice.rows(first + i), k);
        for (size_t part = 0; part < kParts; ++part)
          four_weights(rows, part, [&](size_t p, WPart v) {
            store_part(out + p * n * Panel::kBytes + Panel::kVecs + 64 * j + kPartBytes * part, F::weight(v));
          });
      }
      for (size_t p = 0; p < kSlicePanels; ++p)
        Panel::template finish<F>(slice.panel(first + i, p), 0, out + p * n * Panel::kBytes);
    }
    Plain::rows(cut_of<kWide>(a, scratch, Panel::kBytes, first, n));
  }
}
