// Matrix times activations. A panel holds 16 outputs, one a lane, so every output is one chain of fused
// multiply-adds over rising k, whatever the tile: P panels x N tokens changes speed, never bits.

struct WeightsF32 {
  static constexpr size_t kStep = 1, kBytes = 64;  // k and bytes a step
  static Vec load(const uint8_t* p, size_t) { return load_f32(p); }
};
struct WeightsF16 {
  static constexpr size_t kStep = 1, kBytes = 32;
  static Vec load(const uint8_t* p, size_t) { return load_f16(reinterpret_cast<const uint16_t*>(p)); }
};
struct WeightsBF16 {
  static constexpr size_t kStep = 2, kBytes = 64;
  static Vec load(const uint8_t* p, size_t s) {
    const auto* pairs = reinterpret_cast<const uint16_t*>(p);
    return s == 0 ? load_bf16_even(pairs) : load_bf16_odd(pairs);
  }
};

template <typename W, size_t P, size_t N>
inline void linear_tile(const LinearArgs& a, size_t i, size_t row) {
  Vec acc[P][N];
  const uint8_t* w[P];
  const float* x[N];
#pragma GCC unroll 32
  for (size_t p = 0; p < P; ++p) {
    w[p] = a.panels + (i + p) * a.panel_stride;
#pragma GCC unroll 32
    for (size_t n = 0; n < N; ++n)
      acc[p][n] = a.goes_on ? load(a.y + (row + n) * a.y_stride + (i + p) * kLanes) : zero();
  }
#pragma GCC unroll 32
  for (size_t n = 0; n < N; ++n) x[n] = a.x + (row + n) * a.x_stride;
  for (size_t k = 0; k < a.k; k += W::kStep) {
#pragma GCC unroll 2
    for (size_t s = 0; s < W::kStep; ++s) {
      Vec weight[P];
#pragma GCC unroll 32
      for (size_t p = 0; p < P; ++p) {
        weight[p] = W::load(w[p], s);
        if (N == 1) acc[p][0] = mul_add(weight[p], set1(x[0][k + s]), acc[p][0]);  // at once: P weights fill registers
      }
      if (N == 1) continue;
#pragma GCC unroll 32
      for (size_t n = 0; n < N; ++n) {
        const Vec value = set1(x[n][k + s]);
#pragma GCC unroll 32
        for (size_t p = 0; p < P; ++p) acc[p][n] = mul_add(weight[p], value, acc[p][n]);
      }
    }
#pragma GCC unroll 32
    for (size_t p = 0; p < P; ++p) {
      if (N == 1 && a.ahead.one_row > 0) prefetch(w[p] + a.ahead.one_row);
      w[p] += W::kBytes;
    }
  }
#pragma GCC unroll 32
  for (size_t p = 0; p < P; ++p)
#pragma GCC unroll 32
    for (size_t n = 0; n < N; ++n)
      store(a.y + (row + n) * a.y_stride + (i + p) * kLanes, acc[p][n]);
}

template <typename W, size_t N>
inline void linear_tokens(const LinearArgs& a, size_t row) {
  constexpr size_t kPanels = N == 1 ? kDecodePanels : kPrefillPanels;
  size_t i = 0;
  for (; i + kPanels <= a.count; i += kPanels) linear_tile<W, kPanels, N>(a, i, row);
  if constexpr (kPanels > 2)
    for (; i + 2 <= a.count; i += 2) linear_tile<W, 2, N>(a, i, row);
  for (; i < a.count; ++i) linear_tile<W, 1, N>(a, i, row);
}

template <typename W>
inline void linear_rows(const LinearArgs& a) {
  size_t row = 0;
  for (; row + kPrefillTokens <= a.rows; row += kPrefillTokens)
    linear_tokens<W, kPrefillTokens>(a, row);
  for (; row + 4 <= a.rows; row += 4) linear_tokens<W, 4>(a, row);
  for (; row + 2 <= a.rows; row += 2) linear_tokens<W, 2>(a, row);
  for (; row < a.rows; ++row) linear_tokens<W, 1>(a, row);
}

inline void linear_blocks(const LinearArgs& a);         // dispatch.inl.h
inline void linear_floats_by_unit(const LinearArgs& a);  // linear_sparse.inl.h
inline void linear_bf16(const LinearArgs& a);            // linear_bf16.inl.h
inline void linear(const LinearArgs& a) {
  if (a.x_bf16) return linear_bf16(a);
  if (a.by_unit && a.pack <= kLastFloat) return linear_floats_by_unit(a);
  switch (a.pack) {
    case Pack::kF32: return linear_rows<WeightsF32>(a);
    case Pack::kF16: return linear_rows<WeightsF16>(a);
    case Pack::kBF16: return linear_rows<WeightsBF16>(a);
    default: return linear_blocks(a);
  }
}

template <ActKind kAct>
inline void epilogue_of(const EpilogueArgs& a) {
  for (size_t row = 0; row < a.rows; ++row)
    for (size_t panel = 0; panel < a.count; ++panel) {
      const size_t i = panel * a.step;
      Vec y = load(a.y + row * a.y_stride + panel * kLanes);
      if (a.bias) y = y + load(a.bias + i);
      y = activate<kAct>(y);
      if (a.gate) y = y * load(a.gate + row * a.gate_stride + i);
      if (a.base)
        y = mul_add(load(a.diff + row * a.diff_stride + i), y, load(a.base + row * a.base_stride + i));
      float* out = a.out + row * a.out_stride + i;
      store(out, a.add ? load(out) + y : y);
    }
}
inline void epilogue(const EpilogueArgs& a) {
  switch (a.act) {
    case ActKind::kNone: return epilogue_of<ActKind::kNone>(a);
    case ActKind::kTanh: return epilogue_of<ActKind::kTanh>(a);
    case ActKind::kSigmoid: return epilogue_of<ActKind::kSigmoid>(a);
    case ActKind::kSilu: return epilogue_of<ActKind::kSilu>(a);
    case ActKind::kRelu2: return epilogue_of<ActKind::kRelu2>(a);
    case ActKind::kDecay6: return epilogue_of<ActKind::kDecay6>(a);
    case ActKind::kDecay7: return epilogue_of<ActKind::kDecay7>(a);
  }
}
