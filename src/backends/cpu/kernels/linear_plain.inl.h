// Many rows: weights are unpacked once, to plain bytes in a scratch, and multiplied from there.

// 32 k: f32 scales and minima, v_0..v_7.
template <int32_t kTheOffset, int32_t kTheLargest, bool kWithMin>
struct PlainPanel {
  static constexpr size_t kUnit = 32, kBytes = 640, kGroup = 32;
  static constexpr int32_t kOffset = kTheOffset, kLargest = kTheLargest;
  static constexpr bool kHasMin = kWithMin, kPairs = false, kIsPlain = true;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return load_w(u + 128 + 64 * j); }
  static Vec scale(const uint8_t* u, size_t, size_t) { return load_f32(u); }
  static Vec min(const uint8_t* u, size_t, size_t) { return load_f32(u + 64); }
  template <class F>
  static void unpack(const uint8_t* from, size_t b, uint8_t* u) {
    store(reinterpret_cast<float*>(u), F::scale(from, b, 0));
    store(reinterpret_cast<float*>(u + 64), F::min(from, b, 0));
    for (size_t j = 0; j < 8; ++j) store_w(u + 128 + 64 * j, F::vec(from, b, j));
  }
};
// The same of types of kPairs: d, dmin, scales of both groups as pairs, what their offset or minima take; v_0..v_7.
template <int32_t kTheOffset, int32_t kTheLargest, bool kWithMin>
struct PlainPair {
  static_assert(kTheOffset == 0 || !kWithMin, "both lie at the same place");
  static constexpr size_t kUnit = 32, kBytes = 832, kGroup = 16;
  static constexpr int32_t kOffset = kTheOffset, kLargest = kTheLargest;
  static constexpr bool kHasMin = kWithMin, kPairs = true, kIsPlain = true;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return load_w(u + 320 + 64 * j); }
  static Vec d(const uint8_t* u) { return load_f32(u); }
  static Vec dmin(const uint8_t* u) { return load_f32(u + 64); }
  template <class U>
  static IVec scale_twice(const U* u, size_t, size_t half) { return load_i(u + 128 + 64 * half); }
  template <class U>
  static IVec offsets(const U* u, size_t) { return load_i(u + 256); }
  template <class U>
  static IVec both_mins(const U* u, size_t) { return load_i(u + 256); }
  template <class F>
  static void unpack(const uint8_t* from, size_t b, uint8_t* u) {
    store(reinterpret_cast<float*>(u), F::d(from));
    for (size_t half = 0; half < 2; ++half) store_i(u + 128 + 64 * half, F::scale_twice(from, b, half));
    if constexpr (kHasMin) {
      store(reinterpret_cast<float*>(u + 64), F::dmin(from));
      store_i(u + 256, F::both_mins(from, b));
    } else {
      store_i(u + 256, F::offsets(from, b));
    }
    for (size_t j = 0; j < 8; ++j) store_w(u + 320 + 64 * j, F::vec(from, b, j));
  }
};
template <class F, bool kPairs = F::kPairs>
struct PlainOf {
  static_assert(F::kGroup == 32);
  using Panel = PlainPanel<F::kOffset, F::kLargest, F::kHasMin>;
};
template <class F>
struct PlainOf<F, true> {
  using Panel = PlainPair<F::kOffset, F::kLargest, F::kHasMin>;
};

// `a` for blocks [first, first + n) of k alone, their weights in a scratch, panel after panel.
template <bool kWide>
inline LinearArgs cut_of(const LinearArgs& a, const uint8_t* scratch, size_t bytes, size_t first, size_t n) {
  LinearArgs cut = a;
  cut.panels = scratch;
  cut.panel_stride = n * bytes;
  cut.ahead = 0;
  cut.k = 32 * n;
  cut.goes_on = a.goes_on || first > 0;
  cut.blocks += first * act_bytes(kWide);
  cut.scale += first;
  cut.sum += 2 * first;
  return cut;
}

template <class F, bool kWide>
inline void plain_rows(const LinearArgs& a) {
  using Panel = typename PlainOf<F>::Panel;
  constexpr size_t kPanels = 4, kCut = 24;  // whole units of 8 blocks; up to 78 KB of stack, which stay in the second-level cache
  alignas(64) uint8_t scratch[kPanels * kCut * Panel::kBytes];
  const size_t n_block = a.k / 32;
  for (size_t i = 0; i < a.count; i += kPanels) {
    LinearArgs some = a;
    some.count = a.count - i < kPanels ? a.count - i : kPanels;
    some.y += i * kLanes;
    for (size_t first = 0; first < n_block; first += kCut) {
      const size_t n = n_block - first < kCut ? n_block - first : kCut;
      for (size_t p = 0; p < some.count; ++p)
        for (size_t at = first; at < first + n; ++at) {
          const uint8_t* unit = a.panels + (i + p) * a.panel_stride + at / (F::kUnit / 32) * F::kBytes;
          Panel::template unpack<F>(unit, at % (F::kUnit / 32), scratch + (p * n + at - first) * Panel::kBytes);
        }
      quant_rows<Panel, kWide>(cut_of<kWide>(some, scratch, Panel::kBytes, first, n));
    }
  }
}
