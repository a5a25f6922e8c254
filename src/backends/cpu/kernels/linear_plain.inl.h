// Many rows: weights are unpacked once, to plain bytes in a scratch, and multiplied from there.

// 32 k: f32 scales and minima, v_0..v_7.
template <int32_t kTheOffset, int32_t kTheLargest, bool kWithMin>
struct PlainPanel {
  static constexpr size_t kUnit = 32, kBytes = 640, kGroup = 32;
  static constexpr int32_t kOffset = kTheOffset, kLargest = kTheLargest;
  static constexpr bool kHasMin = kWithMin, kPairs = false, kIsPlain = true;
  static constexpr size_t kVecs = 128;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return load_w(u + kVecs + 64 * j); }
  static Vec scale(const uint8_t* u, size_t, size_t) { return load_f32(u); }
  static Vec min(const uint8_t* u, size_t, size_t) { return load_f32(u + 64); }
  template <class F>
  static void unpack(const uint8_t* from, size_t b, uint8_t* u) {
    store(reinterpret_cast<float*>(u), F::scale(from, b, 0));
    store(reinterpret_cast<float*>(u + 64), F::min(from, b, 0));
    for (size_t j = 0; j < 8; ++j) store_w(u + kVecs + 64 * j, F::vec(from, b, j));
  }
  static void finish(uint8_t*) {}
};

// How plain panels of F are made and multiplied.
template <class F, bool kWide, bool kPairs, bool kShort = (short_steps(F::kLargest, kWide) > 0)>
struct PlainOf {
  using Panel = PlainPanel<F::kOffset, F::kLargest, F::kHasMin>;
  static void rows(const LinearArgs& a) { quant_rows<Panel, kWide>(a); }
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
          Panel::template unpack<F>(unit, at % (F::kUnit / 32), scratch + (p * n + at - first) * Panel::kBytes);
        }
      Plain::rows(cut_of<kWide>(some, scratch, Panel::kBytes, first, n));
    }
  }
}
