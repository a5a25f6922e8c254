// Matrices whose input is mostly exact zeros (after relu^2), stored by unit: a slice of 128 outputs holds, for each k,
// the weights of all its outputs side by side, so that the k of a zero are never read. The quants and scales are the
// file's own, and an output is the chain of linear_quant.inl.h: sums of integers do not mind terms that
// are 0, and fma(0, scale, acc) is acc. With more than kSparseRows rows the active k of all of them are nearly all
// k: then a piece of the slice is turned into panels of bytes and multiplied as any matrix is.
//
//   a unit (32 k): scales and weights in the places of SliceUnit (slice_unit.h)
//   inside each 64 bytes of weights: byte 16 L + 4 m + i is output 16 m + 4 L + i (L, m, i < 4), in which order four rows
//   interleave to four vectors of a panel

constexpr size_t kSlicePanels = kSliceOutputs / kLanes;

// Where the weights of four k of a unit lie.
template <class Unit>
struct FourRows {
  const uint8_t *low[4], *high[4];
  unsigned low_shift[4], high_shift[4];
  FourRows(const uint8_t* unit, const uint8_t* k) {
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      low[i] = unit + Unit::row_at(k[i]);
      low_shift[i] = Unit::row_shift(k[i]);
      if constexpr (Unit::kHigh > 0) {
        high[i] = unit + Unit::high_at(k[i]);
        high_shift[i] = Unit::high_shift(k[i]);
      }
    }
  }
};
// As they lie, at a place of a line; of lines that k share, with those of others behind them.
template <size_t kBits>
inline void four_lines(const uint8_t* const (&r)[4], const unsigned (&shift)[4], size_t at, WPart (&out)[4]) {
  WPart v[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    v[i] = load_part(r[i] + at);
    if constexpr (kBits < 4) v[i] = shift_right(v[i], shift[i]);
  }
  interleave(v[0], v[1], v[2], v[3], out);
}
// f(p, v): part `part` of the weights of four k of panel p, unsigned bytes. Parts, because the sums of a part of all
// panels fit the registers, and of all of them do not.
template <class Unit, class Use>
inline void four_weights(const FourRows<Unit>& r, size_t part, Use f) {
  constexpr size_t kLow = Unit::kLow, kHigh = Unit::kHigh;
  WPart v[4];
  if constexpr (kLow == 8) {
#pragma GCC unroll 2
    for (size_t h = 0; h < 2; ++h) {
      four_lines<kLow>(r.low, r.low_shift, Unit::kHalf * h + kPartBytes * part, v);
#pragma GCC unroll 4
      for (size_t m = 0; m < 4; ++m) f(4 * h + m, v[m]);
    }
    return;
  }
  four_lines<kLow>(r.low, r.low_shift, kPartBytes * part, v);
  constexpr uint8_t kMask = (1 << kLow) - 1, kHighMask = ((1 << kHigh) - 1) << kLow;
  WPart high[4];
  if constexpr (kHigh > 0) four_lines<kHigh>(r.high, r.high_shift, kPartBytes * part, high);
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

// How each type has its scales, in outputs of panel p of the unit of block b; minima are taken off.
template <class Unit, bool kWithMin>
struct HalfScales : Unit {  // 128 f16 scales; minima, which the file adds
  static constexpr bool kHasMin = kWithMin;
  static Vec scale(const uint8_t* u, size_t, size_t p) { return half_row(u + Unit::head_at(32 * p)); }
  static Vec min(const uint8_t* u, size_t, size_t p) {
    return kHasMin ? zero() - half_row(u + Unit::head_at(2 * kSliceOutputs + 32 * p)) : zero();
  }
};
// The i-th scale of scales behind the eight units to which that of block b belongs.
template <class Unit>
inline Vec tail_row(const uint8_t* u, size_t b, size_t i, size_t p) {
  return half_row(u - Unit::unit_at(b % 8) + Unit::tail_at(0, 2 * (kSliceOutputs * i + kLanes * p)));
}
template <class Unit>
struct ByteScales : Unit {
  static constexpr bool kHasMin = true;
  static Vec scale(const uint8_t* u, size_t b, size_t p) { return tail_row<Unit>(u, b, 0, p) * load_u8(u + Unit::head_at(16 * p)); }
  static Vec min(const uint8_t* u, size_t b, size_t p) {
    return tail_row<Unit>(u, b, 1, p) * load_u8(u + Unit::head_at(kSliceOutputs + 16 * p));
  }
};
template <class Unit>
struct SignedByteScales : Unit {
  static constexpr bool kHasMin = false;
  static Vec scale(const uint8_t* u, size_t b, size_t p) { return tail_row<Unit>(u, b, 0, p) * load_i8(u + Unit::head_at(16 * p)); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
// A line of the tail, if there is one behind block b.
template <class Unit>
inline void fetch_tail(const uint8_t* slice, size_t b) {
  if (Unit::kTail > 0 && b % Unit::kTailEvery == Unit::kTailEvery - 1) prefetch_far(slice + Unit::unit_at(b) + Unit::kBytes);
}

template <class Scales, int32_t kTheOffset, int32_t kTheLargest>
struct Slice : Scales {
  static constexpr int32_t kOffset = kTheOffset, kLargest = kTheLargest;
  static WPart weight(WPart w) { return w; }
};
template <class Scales>
struct Iq4Slice : Slice<Scales, 128, 241> {
  static WPart weight(WPart w) { return lookup(kIq4Levels, w); }
};
using Q8_0Slice = Slice<HalfScales<Slice8Unit, false>, 128, 255>;
using Q4_0Slice = Slice<HalfScales<Slice4Unit, false>, 8, 15>;
using Q4_1Slice = Slice<HalfScales<Slice4MinUnit, true>, 0, 15>;
using Q5_0Slice = Slice<HalfScales<Slice5Unit, false>, 16, 31>;
using Q5_1Slice = Slice<HalfScales<Slice5MinUnit, true>, 0, 31>;
using Q4_KSlice = Slice<ByteScales<Slice4KUnit>, 0, 15>;
using Q5_KSlice = Slice<ByteScales<Slice5KUnit>, 0, 31>;
using IQ4_NLSlice = Iq4Slice<HalfScales<Slice4Unit, false>>;
using IQ4_XSSlice = Iq4Slice<SignedByteScales<Slice4SignedUnit>>;

template <class F, bool kWide>
inline void dense_rows(const LinearArgs& a) {
  using Plain = PlainOf<F, kWide, false>;
  using Panel = typename Plain::Panel;
  // Blocks at once: up to 88 KB of stack, which stay in the second-level cache; fewer times few rows, so that memory rests for
  // shorter times. What comes kAhead blocks later is fetched as a block is unpacked.
  constexpr size_t kMostCut = 16, kFewCut = 4, kAhead = 4;
  static_assert(kMostCut <= kCutBlocks);
  alignas(64) uint8_t scratch[kSlicePanels * kMostCut * Panel::kBytes];
  const bool few = a.rows <= kFewRows;
  const size_t cut = few ? kFewCut : kMostCut;
  const size_t n_block = a.k / 32;
  for (size_t first = 0; first < n_block; first += cut) {
    const size_t n = n_block - first < cut ? n_block - first : cut;
    for (size_t i = 0; i < n; ++i) {
      const uint8_t *unit = a.panels + F::unit_at(first + i), *later = a.panels + F::unit_at(first + i + kAhead);
      for (size_t at = 0; at < F::kBytes; at += 64) prefetch_far(later + at);
      fetch_tail<F>(a.panels, first + i + kAhead);
      uint8_t* out = scratch + i * Panel::kBytes;
      for (size_t p = 0; p < kSlicePanels; ++p) {
        uint8_t* head = out + p * n * Panel::kBytes;
        store_f32(head, F::scale(unit, first + i, p));
        store_f32(head + 64, F::min(unit, first + i, p));
      }
      for (size_t j = 0; j < 8; ++j) {
        const uint8_t k[4] = {uint8_t(4 * j), uint8_t(4 * j + 1), uint8_t(4 * j + 2), uint8_t(4 * j + 3)};
        const FourRows<F> rows(unit, k);
        for (size_t part = 0; part < kParts; ++part)
          four_weights(rows, part, [&](size_t p, WPart v) {
            store_part(out + p * n * Panel::kBytes + Panel::kVecs + 64 * j + kPartBytes * part, F::weight(v));
          });
      }
      for (size_t p = 0; p < kSlicePanels; ++p) Panel::finish(out + p * n * Panel::kBytes);
    }
    Plain::rows(cut_of<kWide>(a, scratch, Panel::kBytes, first, n));
  }
}
