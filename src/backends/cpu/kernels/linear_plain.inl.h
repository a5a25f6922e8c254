// Many rows: weights are unpacked once, to plain bytes in a scratch, and multiplied from there.

// 32 k of a type that folds, times activations of 8 bits: f32 d; of types with a minimum f32 dmin, both minima in pairs of
// 16 bits; v_0..v_7, weights times their groups' scales.
template <class F>
struct FoldedPanel {
  static constexpr size_t kUnit = 32, kGroup = 32;
  static constexpr int32_t kOffset = F::kFoldedOffset, kLargest = F::kFoldedLargest;
  static constexpr bool kHasMin = F::kHasMin, kPairs = true, kIsPlain = true;
  static constexpr size_t kVecs = kHasMin ? 192 : 64, kBytes = kVecs + 512;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return load_w(u + kVecs + 64 * j); }
  static Vec d(const uint8_t* u) { return load_f32(u); }
  static Vec dmin(const uint8_t* u) { return load_f32(u + 64); }
  template <class U>
  static IVec both_mins(const U* u, size_t) { return load_i(u + 128); }
  template <class, class From>
  static void head(From from, size_t b, uint8_t* u) {
    store_f32(u, F::d(from));
    if constexpr (kHasMin) {
      store_f32(u + 64, F::dmin(from));
      store_i(u + 128, F::both_mins(from, b));
    }
  }
  template <class, class From>
  static void finish(From from, size_t b, uint8_t* u) {
    for (size_t j = 0; j < 8; ++j)
      store_w(u + kVecs + 64 * j, fold(vec(u, 0, j), F::scale_twice(from, b, j / 4), F::kOffset, kOffset));
  }
};

// How plain panels of F are made and multiplied.
template <class F, bool kWide, bool kPairs, bool kShort = (short_steps(F::kLargest, kWide) > 0)>
struct PlainOf {
  using Panel = PlainPanel<kPairs ? 16 : 32, F::kOffset, F::kLargest, F::kHasMin, kPairs>;
  static void rows(const LinearArgs& a) { quant_rows<Panel, kWide, false>(a); }
};
template <class F>
  requires(kFolds<F>)
struct PlainOf<F, false, true, false> {
  using Panel = FoldedPanel<F>;
  static void rows(const LinearArgs& a) { quant_rows<Panel, false, false>(a); }
};
template <class F, bool kWide, bool kPairs>
struct PlainOf<F, kWide, kPairs, true> {
  using Panel = ShortPanel<F::kOffset, F::kLargest, F::kHasMin, kPairs>;
  static void rows(const LinearArgs& a) { short_rows<Panel>(a); }
};

template <class F, bool kWide>
inline void plain_rows(const LinearArgs& a) {
  static_assert(F::kPairs || F::kGroup == 32, "a plain panel has one scale a block");
  using Plain = PlainOf<F, kWide, F::kPairs>;
  using Panel = typename Plain::Panel;
  constexpr size_t kPanels = 4;  // with activations up to 96 KB of stack, which stay in the second-level cache
  alignas(64) uint8_t scratch[kPanels * kCutBlocks * Panel::kBytes];
  const size_t n_block = a.k / 32;
  for (size_t i = 0; i < a.count; i += kPanels) {
    LinearArgs some = a;
    some.count = a.count - i < kPanels ? a.count - i : kPanels;
    some.y += i * kLanes;
    for (size_t first = 0; first < n_block; first += kCutBlocks) {
      const size_t n = n_block - first < kCutBlocks ? n_block - first : kCutBlocks;
      for (size_t p = 0; p < some.count; ++p)
        for (size_t at = first; at < first + n; ++at) {
          const uint8_t* unit = a.panels + (i + p) * a.panel_stride + at / (F::kUnit / 32) * F::kBytes;
          unpack<Panel, F>(unit, at % (F::kUnit / 32), scratch + (p * n + at - first) * Panel::kBytes);
        }
      Plain::rows(cut_of<kWide>(some, scratch, Panel::kBytes, first, n));
    }
  }
}
