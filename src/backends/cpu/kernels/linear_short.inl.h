// Many rows of 8-bit activations times types of short sums (simd/avx2.h); the chain is that of linear_quant.inl.h. As
// vpmaddubsw wants one unsigned factor, weights are signed here and activations have 128 added: no offset is left to take
// off, and an offset leaves room for weights of one bit more. Sums begin at what the 128 bring, negated; on the way they may
// wrap around 16 bits, but do not end beyond.

template <int32_t kTheOffset, int32_t kLargest, bool kWithMin, bool kOfPairs>
struct ShortPanel {
  static constexpr int32_t kOffset = kTheOffset, kMost = kLargest - kOffset > kOffset ? kLargest - kOffset : kOffset;
  static constexpr bool kHasMin = kWithMin, kPairs = kOfPairs;
  static constexpr size_t kGroupSteps = kPairs ? 4 : 8, kFit = biased_steps(kMost);
  static constexpr size_t kRun = kFit < kGroupSteps ? kFit : kGroupSteps, kRuns = 8 / kRun;
  static_assert(kFit > 0 && 8 % kRun == 0, "no step may be left over");
  // f32 scales and minima (of pairs: d and dmin); of pairs: both scales and both minima in pairs of 16 bits; where runs
  // begin; v_0..v_7.
  static constexpr size_t kScales = 128, kMins = kScales + (kPairs ? 128 : 0), kBegin = kMins + (kPairs && kHasMin ? 64 : 0);
  static constexpr size_t kVecs = kBegin + 64 * kRuns, kBytes = kVecs + 512;

  template <class F, class From>
  static void head(From from, size_t b, uint8_t* u) {
    if constexpr (kPairs) {
      store(reinterpret_cast<float*>(u), F::d(from));
      for (size_t g = 0; g < 2; ++g) store_i(u + kScales + 64 * g, F::scale_twice(from, b, g));
      if constexpr (kHasMin) {
        store(reinterpret_cast<float*>(u + 64), F::dmin(from));
        store_i(u + kMins, F::both_mins(from, b));
      }
    } else {
      store(reinterpret_cast<float*>(u), F::scale(from, b, 0));
      if constexpr (kHasMin) store(reinterpret_cast<float*>(u + 64), F::min(from, b, 0));
    }
  }
  template <class F, class From>
  static void finish(From, size_t, uint8_t* u) {
    for (size_t run = 0; run < kRuns; ++run) {
      IVec begin = iset1(0);
      for (size_t j = run * kRun; j < (run + 1) * kRun; ++j) {
        const WVec v = take_off(load_w(u + kVecs + 64 * j), kOffset);
        store_w(u + kVecs + 64 * j, v);
        begin = less_128_times(begin, v);
      }
      store_i(u + kBegin + 64 * run, begin);
    }
  }
};

// A block of six rows: activations with 128 added, and what follows of them.
constexpr size_t kShortRows = 6;
struct alignas(32) ShortActs {
  uint8_t bytes[kShortRows][32];
  float scale[kShortRows];
  float scaled_sum[kShortRows];   // scale times the sum
  int32_t both_sums[kShortRows];  // of pairs: the sums of both groups, 16 bits each
};
constexpr ActGroups kActGroups{kShortRows, sizeof(ShortActs), unpack_rows(false)};
// One row of it, as `quantize` finds it.
inline void put_in_group(uint8_t* group, size_t lane, const int32_t* q, float scale, int32_t first, int32_t second) {
  auto& acts = *reinterpret_cast<ShortActs*>(group);
  for (size_t i = 0; i < 32; ++i) acts.bytes[lane][i] = static_cast<uint8_t>(q[i] + 128);
  acts.scale[lane] = scale;
  acts.scaled_sum[lane] = scale * static_cast<float>(first + second);
  acts.both_sums[lane] = pair_of(first, second);
}

template <class P, size_t N>
inline void short_tile(const uint8_t* w, const ShortActs* acts, size_t lane, size_t n_block, bool goes_on, float* y, size_t y_stride) {
  Vec acc[N];
#pragma GCC unroll 16
  for (size_t n = 0; n < N; ++n) acc[n] = goes_on ? load(y + n * y_stride) : zero();
  for (size_t b = 0; b < n_block; ++b, w += P::kBytes, ++acts) {
    IVec total[N];
#pragma GCC unroll 8
    for (size_t run = 0; run < P::kRuns; ++run) {
      IVec sums[N];
#pragma GCC unroll 16
      for (size_t n = 0; n < N; ++n) sums[n] = load_i(w + P::kBegin + 64 * run);
#pragma GCC unroll 8
      for (size_t j = run * P::kRun; j < (run + 1) * P::kRun; ++j) {
        const WVec v = load_w(w + P::kVecs + 64 * j);
#pragma GCC unroll 16
        for (size_t n = 0; n < N; ++n) sums[n] = biased_dot(sums[n], v, acts->bytes[lane + n] + 4 * j);
      }
#pragma GCC unroll 16
      for (size_t n = 0; n < N; ++n) {
        IVec more;
        if constexpr (P::kPairs) more = dot_pairs(sums[n], load_i(w + P::kScales + 64 * (run * P::kRun / 4)));
        else more = widen(sums[n]);
        total[n] = run == 0 ? more : total[n] + more;
      }
    }
    const Vec scale = load(reinterpret_cast<const float*>(w));
    const Vec min = P::kHasMin ? load(reinterpret_cast<const float*>(w + 64)) : zero();
#pragma GCC unroll 16
    for (size_t n = 0; n < N; ++n) {
      if constexpr (P::kHasMin && P::kPairs) {
        const IVec mins = dot_pairs(load_i(w + P::kMins), iset1(acts->both_sums[lane + n]));
        const Vec value = neg_mul_add(min, to_float(mins), scale * to_float(total[n]));
        acc[n] = mul_add(value, set1(acts->scale[lane + n]), acc[n]);
      } else {
        acc[n] = mul_add(to_float(total[n]), scale * set1(acts->scale[lane + n]), acc[n]);
        if constexpr (P::kHasMin) acc[n] = neg_mul_add(min, set1(acts->scaled_sum[lane + n]), acc[n]);
      }
    }
  }
#pragma GCC unroll 16
  for (size_t n = 0; n < N; ++n) store(y + n * y_stride, acc[n]);
}

template <class P, size_t N>
inline size_t short_rows_of(const LinearArgs& a, size_t row) {
  for (; row + N <= a.rows; row += N) {
    const auto* acts = reinterpret_cast<const ShortActs*>(a.groups) + row / kShortRows * a.row_blocks;
    for (size_t i = 0; i < a.count; ++i)
      short_tile<P, N>(a.panels + i * a.panel_stride, acts, N == kShortRows ? 0 : row % kShortRows, a.k / 32, a.goes_on,
                       a.y + row * a.y_stride + i * kLanes, a.y_stride);
  }
  return row;
}
template <class P>
inline void short_rows(const LinearArgs& a) {
  size_t row = short_rows_of<P, kShortRows>(a, 0);
  row = short_rows_of<P, 2>(a, row);
  short_rows_of<P, 1>(a, row);
}
