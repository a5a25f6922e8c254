// Loops that do nothing but what they measure: the bounds that `rwkv bench` compares with.

// Fused multiply-adds in registers; returns the floating-point operations (two each).
inline double fma_loop(size_t n) {
  Vec acc[kLoopVecs];
  for (size_t i = 0; i < kLoopVecs; ++i) acc[i] = set1(static_cast<float>(i));
  const Vec a = set1(0.5f), b = set1(0.25f);
  for (size_t step = 0; step < n; ++step)
#pragma GCC unroll 16
    for (size_t i = 0; i < kLoopVecs; ++i) acc[i] = mul_add(acc[i], a, b);
  Vec total = zero();
  for (size_t i = 0; i < kLoopVecs; ++i) total = total + acc[i];
  volatile float sink = sum(total);
  (void)sink;
  return 2.0 * 16 * static_cast<double>(kLoopVecs * n);
}

// Integer dot products in registers, as the kernels make them of weights of up to kLargest, or to kMost either way, whose
// scale changes every kGroup k; activations of 16 bits (`wide`; where those are two planes, of one) or 8. Returns the
// operations (a multiplication and an addition each).
template <bool kWide, int kLargest, int kMost, size_t kGroup>
inline double dot_loop_of(size_t n) {
  constexpr size_t kUnsigned = short_steps(kLargest, kWide), kSigned = kWide ? 0 : biased_steps(kMost);
  constexpr size_t kShort = kSigned > kUnsigned ? kSigned : kUnsigned, kRun = kShort < kGroup / 4 ? kShort : kGroup / 4;
  constexpr size_t kVecs = kRun > 0 ? kLoopVecs / 2 : kLoopVecs, kSteps = kRun > 0 ? kRun : 1;
  alignas(64) uint8_t weights[64], act[64] = {1, 0, 2, 0, 3, 0, 1, 0};
  for (size_t i = 0; i < 64; ++i) weights[i] = static_cast<uint8_t>(i);
  __asm__ volatile("" : : "r"(act) : "memory");  // or products with a 0 would be left out
  WVec w = load_w(weights);
  IVec acc[kVecs];
  for (size_t i = 0; i < kVecs; ++i) acc[i] = iset1(static_cast<int32_t>(i));
  for (size_t step = 0; step < n; ++step) {
    IVec run[kVecs];
#pragma GCC unroll 8
    for (size_t k = 0; k < kSteps; ++k)
#pragma GCC unroll 16
      for (size_t i = 0; i < kVecs; ++i) {
        touch(w);  // or the product would be computed once, where it is an instruction of its own
        if constexpr (kRun > 0) run[i] = short_dot(k == 0 ? iset1(0) : run[i], w, act);
        else acc[i] = dot<kWide, kLargest>(acc[i], w, act);
      }
    if constexpr (kRun > 0)
#pragma GCC unroll 16
      for (size_t i = 0; i < kVecs; ++i) acc[i] = acc[i] + widen(run[i]);
  }
  IVec total = iset1(0);
  for (size_t i = 0; i < kVecs; ++i) total = total + acc[i];
  volatile float sink = sum(to_float(total));
  (void)sink;
  return 2.0 * 64 * static_cast<double>(kVecs * kSteps * n);
}
template <bool kWide>
inline double dot_loop_of(size_t n, Pack pack) {
  switch (pack) {
    case Pack::kQ4_0:
    case Pack::kQ4_1:
    case Pack::kQ4_K: return dot_loop_of<kWide, 15, 15, 32>(n);
    case Pack::kQ5_0: return dot_loop_of<kWide, 31, 16, 32>(n);
    case Pack::kQ5_1:
    case Pack::kQ5_K: return dot_loop_of<kWide, 31, 31, 32>(n);
    case Pack::kQ2_K:
    case Pack::kQ3_K: return dot_loop_of<kWide, 7, 7, 16>(n);
    case Pack::kQ6_K: return dot_loop_of<kWide, 63, 32, 16>(n);
    default: return dot_loop_of<kWide, 255, 128, 32>(n);
  }
}
inline double dot_loop(size_t n, bool wide, Pack pack) {
  if (pack == Pack::kBF16) return fma_loop(n);  // rounded activations (linear_bf16.inl.h) take as many as others
  return wide ? dot_loop_of<true>(n, pack) : dot_loop_of<false>(n, pack);
}

// Reads n bytes (a multiple of 4096) once, in kStreams streams.
template <size_t kStreams>
inline void sweep_streams(const uint8_t* p, size_t n, size_t ahead) {
  const size_t stream = n / kStreams;
  WVec acc[kStreams];
  for (WVec& v : acc) v = load_w(p);
  for (size_t i = 0; i < stream; i += 64)
#pragma GCC unroll 8
    for (size_t s = 0; s < kStreams; ++s) {
      if (ahead > 0) prefetch(p + s * stream + i + ahead);
      acc[s] = acc[s] | load_w(p + s * stream + i);
    }
  for (size_t s = 1; s < kStreams; ++s) acc[0] = acc[0] | acc[s];
  volatile float sink = sum(to_float(dot<true, 255>(iset1(0), acc[0], p)));
  (void)sink;
}
inline void sweep(const uint8_t* p, size_t n, size_t streams, size_t ahead) {
  switch (streams) {
    case 1: return sweep_streams<1>(p, n, ahead);
    case 2: return sweep_streams<2>(p, n, ahead);
    case 4: return sweep_streams<4>(p, n, ahead);
    default: return sweep_streams<8>(p, n, ahead);
  }
}
