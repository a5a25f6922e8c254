// A panel unpacked for many rows: every block of 32 k as plain bytes, whatever it was.

// 32 k: f32 scales of the groups and, of pairs, d; minima likewise; v_0..v_7.
template <size_t kTheGroup, int32_t kTheOffset, int32_t kTheLargest, bool kWithMin, bool kOfPairs>
struct PlainPanel {
  static constexpr size_t kUnit = 32, kGroup = kTheGroup, kGroups = 32 / kGroup;
  static constexpr int32_t kOffset = kTheOffset, kLargest = kTheLargest;
  static constexpr bool kHasMin = kWithMin, kPairs = kOfPairs, kIsPlain = true;
  static constexpr size_t kMins = 64 * (kGroups + (kPairs ? 1 : 0)), kVecs = 2 * kMins, kBytes = kVecs + 512;
  static WVec vec(const uint8_t* u, size_t, size_t j) { return load_w(u + kVecs + 64 * j); }
  static Vec scale(const uint8_t* u, size_t, size_t g) { return load_f32(u + 64 * g); }
  static Vec min(const uint8_t* u, size_t, size_t g) { return load_f32(u + kMins + 64 * g); }
  static Vec d(const uint8_t* u) { return load_f32(u + 64 * kGroups); }
  static Vec dmin(const uint8_t* u) { return load_f32(u + kMins + 64 * kGroups); }
  // `from`: a panel of F, or of a slice.
  template <class F, class From>
  static void head(From from, size_t b, uint8_t* u) {
    for (size_t g = 0; g < kGroups; ++g) store_f32(u + 64 * g, F::scale(from, b, g));
    if constexpr (kHasMin)
      for (size_t g = 0; g < kGroups; ++g) store_f32(u + kMins + 64 * g, F::min(from, b, g));
    if constexpr (kPairs) store_f32(u + 64 * kGroups, F::d(from));
    if constexpr (kPairs && kHasMin) store_f32(u + kMins + 64 * kGroups, F::dmin(from));
  }
  template <class F, class From>
  static void finish(From, size_t, uint8_t*) {}
};

// Block b of a panel of F as one of P. P::finish makes of vectors of unsigned bytes what P multiplies.
template <class P, class F>
inline void unpack(const uint8_t* from, size_t b, uint8_t* u) {
  P::template head<F>(from, b, u);
  for (size_t j = 0; j < 8; ++j) store_w(u + P::kVecs + 64 * j, F::vec(from, b, j));
  P::template finish<F>(from, b, u);
}
