// Matrices whose input is mostly exact zeros (after relu^2), stored by unit: a slice of 128 outputs holds, for each k,
// the weights of all its outputs side by side, so that the k of a zero are never read. The quants and scales are the
// file's own, and an output is the chain of linear_quant.inl.h: sums of integers do not mind terms that
// are 0, and fma(0, scale, acc) is acc. With more than kSparseRows rows the active k of all of them are nearly all
// k: then a piece of the slice is turned into panels of bytes and multiplied as any matrix is.
//
//   a unit (32 k): kHead bytes of scales and a row of kRow bytes for each k, in the places of SliceUnit (kernels.h)
//   inside each 64 bytes of a row: byte 16 L + 4 m + i is output 16 m + 4 L + i (L, m, i < 4), in which order four rows
//   interleave to four vectors of a panel. Nibbles: low ones outputs 0..63, high ones 64..127.

constexpr size_t kSlicePanels = kSliceOutputs / kLanes;

// f(p, v): part `part` of the weights of four k of panel p, unsigned bytes. Parts, because the sums of a part of all
// panels fit the registers, and of all of them do not.
template <class Use>
inline void four_bytes(const uint8_t* const (&r)[4], size_t part, Use f) {
#pragma GCC unroll 2
  for (size_t h = 0; h < 2; ++h) {
    const size_t at = Slice8Unit::kHalf * h + kPartBytes * part;
    WPart v[4];
    interleave(load_part(r[0] + at), load_part(r[1] + at), load_part(r[2] + at), load_part(r[3] + at), v);
#pragma GCC unroll 4
    for (size_t m = 0; m < 4; ++m) f(4 * h + m, v[m]);
  }
}
template <class Use>
inline void four_nibbles(const uint8_t* const (&r)[4], size_t part, Use f) {
  const size_t at = kPartBytes * part;
  WPart both[4];
  interleave(load_part(r[0] + at), load_part(r[1] + at), load_part(r[2] + at), load_part(r[3] + at), both);
#pragma GCC unroll 4
  for (size_t m = 0; m < 4; ++m) {
    f(m, mask(both[m], 0x0f));
    f(m + 4, mask(shift_right(both[m], 4), 0x0f));
  }
}

struct Q8_0Slice : Slice8Unit {  // 32 k: 128 f16 scales; bytes with 128 added
  static constexpr int32_t kOffset = 128, kLargest = 255;
  static constexpr bool kHasMin = false;
  template <class Use>
  static void four(const uint8_t* const (&r)[4], size_t part, Use f) {
    four_bytes(r, part, f);
  }
  static Vec scale(const uint8_t* u, size_t, size_t p) { return half_row(u + head_at(32 * p)); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
struct Q4_0Slice : Slice4Unit {  // 32 k: scales; nibbles
  static constexpr int32_t kOffset = 8, kLargest = 15;
  static constexpr bool kHasMin = false;
  template <class Use>
  static void four(const uint8_t* const (&r)[4], size_t part, Use f) {
    four_nibbles(r, part, f);
  }
  static Vec scale(const uint8_t* u, size_t, size_t p) { return half_row(u + head_at(32 * p)); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};
struct Q4_1Slice : Slice4MinUnit {  // 32 k: scales, minima (added, so min is their negative); nibbles
  static constexpr int32_t kOffset = 0, kLargest = 15;
  static constexpr bool kHasMin = true;
  template <class Use>
  static void four(const uint8_t* const (&r)[4], size_t part, Use f) {
    four_nibbles(r, part, f);
  }
  static Vec scale(const uint8_t* u, size_t, size_t p) { return half_row(u + head_at(32 * p)); }
  static Vec min(const uint8_t* u, size_t, size_t p) { return zero() - half_row(u + head_at(2 * kSliceOutputs + 32 * p)); }
};
struct IQ4_NLSlice : Slice4Unit {  // as Q4_0
  static constexpr int32_t kOffset = 128, kLargest = 241;
  static constexpr bool kHasMin = false;
  template <class Use>
  static void four(const uint8_t* const (&r)[4], size_t part, Use f) {
    four_nibbles(r, part, [&](size_t p, WPart w) { f(p, lookup(kIq4Levels, w)); });
  }
  static Vec scale(const uint8_t* u, size_t, size_t p) { return half_row(u + head_at(32 * p)); }
  static Vec min(const uint8_t*, size_t, size_t) { return zero(); }
};

struct Q4_KSlice : Slice4KUnit {  // 32 k: scales, minima, as bytes; nibbles; every eighth of d and dmin of 256 k in turn
  static constexpr int32_t kOffset = 0, kLargest = 15;
  static constexpr bool kHasMin = true;
  template <class Use>
  static void four(const uint8_t* const (&r)[4], size_t part, Use f) {
    four_nibbles(r, part, f);
  }
  // The tail of the unit that has it for panel p, of block b's eight.
  static const uint8_t* tail(const uint8_t* u, size_t b, size_t unit, size_t p) {
    return u - b % 8 * kBytes + (unit + p / 2) * kBytes + kTailAt + p % 2 * 32;
  }
  static Vec scale(const uint8_t* u, size_t b, size_t p) { return half_row(tail(u, b, 0, p)) * load_u8(u + head_at(16 * p)); }
  static Vec min(const uint8_t* u, size_t b, size_t p) {
    return half_row(tail(u, b, 4, p)) * load_u8(u + head_at(kSliceOutputs + 16 * p));
  }
};

template <class F, bool kWide>
inline void dense_rows(const LinearArgs& a) {
  using Plain = PlainOf<F, kWide, false>;
  using Panel = typename Plain::Panel;
  // Blocks at once: up to 88 KB of stack, which stay in the second-level cache; fewer times few rows, so that memory rests for
  // shorter times. What comes kAhead blocks later is fetched as a block is unpacked.
  constexpr size_t kMostCut = 16, kFewCut = 4, kAhead = 4, kUnitBytes = F::kBytes;
  static_assert(kMostCut <= kCutBlocks);
  alignas(64) uint8_t scratch[kSlicePanels * kMostCut * Panel::kBytes];
  const bool few = a.rows <= kFewRows;
  const size_t cut = few ? kFewCut : kMostCut;
  const size_t n_block = a.k / 32;
  for (size_t first = 0; first < n_block; first += cut) {
    const size_t n = n_block - first < cut ? n_block - first : cut;
    for (size_t i = 0; i < n; ++i) {
      const uint8_t* unit = a.panels + (first + i) * kUnitBytes;
      for (size_t at = 0; at < kUnitBytes; at += 64) prefetch_far(unit + kAhead * kUnitBytes + at);
      uint8_t* out = scratch + i * Panel::kBytes;
      for (size_t p = 0; p < kSlicePanels; ++p) {
        uint8_t* head = out + p * n * Panel::kBytes;
        store_f32(head, F::scale(unit, first + i, p));
        store_f32(head + 64, F::min(unit, first + i, p));
      }
      for (size_t j = 0; j < 8; ++j) {
        const uint8_t* rows = unit + F::row_at(4 * j);
        const uint8_t* const r[4] = {rows, rows + 64, rows + 128, rows + 192};
        for (size_t part = 0; part < kParts; ++part)
          F::four(r, part, [&](size_t p, WPart v) {
            store_part(out + p * n * Panel::kBytes + Panel::kVecs + 64 * j + kPartBytes * part, v);
          });
      }
      for (size_t p = 0; p < kSlicePanels; ++p) Panel::finish(out + p * n * Panel::kBytes);
    }
    Plain::rows(cut_of<kWide>(a, scratch, Panel::kBytes, first, n));
  }
}
