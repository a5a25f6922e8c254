// Functions of a Vec, each one fixed sequence of IEEE operations: the same bits on every instruction set.

inline Vec load_f32(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
inline void store_f32(uint8_t* p, Vec x) { store(reinterpret_cast<float*>(p), x); }

// e^x: x = n ln2 + r with |r| <= ln2 / 2, Taylor to r^7. Relative error below 2e-7. Results stay
// normal numbers: below -87.3 the value is about 1e-38 instead of less, above 88.3 about 2e38.
inline Vec exp(Vec x) {
  x = min(max(x, set1(-87.3f)), set1(88.3f));
  const Vec n = round(x * set1(1.44269504f));
  Vec r = mul_add(n, set1(-0.693359375f), x);  // ln2 in two parts: the first is exact in products with n
  r = mul_add(n, set1(2.12194440e-4f), r);
  Vec p = set1(1.0f / 5040);
  p = mul_add(p, r, set1(1.0f / 720));
  p = mul_add(p, r, set1(1.0f / 120));
  p = mul_add(p, r, set1(1.0f / 24));
  p = mul_add(p, r, set1(1.0f / 6));
  p = mul_add(p, r, set1(0.5f));
  p = mul_add(p, r, set1(1.0f));
  p = mul_add(p, r, set1(1.0f));
  return p * pow2(n);
}

inline Vec sigmoid(Vec x) { return set1(1) / (set1(1) + exp(zero() - x)); }

// Near zero by its series (odd, to x^9, fitted on |x| < 0.625), elsewhere by e^(-2|x|).
inline Vec tanh(Vec x) {
  const Vec size = abs(x), square = x * x;
  Vec p = set1(-5.70498872745e-3f);
  p = mul_add(p, square, set1(2.06390887954e-2f));
  p = mul_add(p, square, set1(-5.37397155531e-2f));
  p = mul_add(p, square, set1(1.33314422036e-1f));
  p = mul_add(p, square, set1(-3.33332819422e-1f));
  const Vec near = mul_add(p * square, x, x);
  const Vec e = exp(set1(-2) * size);
  const Vec far_size = (set1(1) - e) / (set1(1) + e);
  const Vec far = select(less(x, zero()), zero() - far_size, far_size);
  return select(less(size, set1(0.625f)), near, far);
}

template <ActKind kAct>
inline Vec activate(Vec x) {
  if constexpr (kAct == ActKind::kTanh) return tanh(x);
  if constexpr (kAct == ActKind::kSigmoid) return sigmoid(x);
  if constexpr (kAct == ActKind::kSilu) return x * sigmoid(x);
  if constexpr (kAct == ActKind::kRelu2) {
    const Vec positive = max(x, zero());
    return positive * positive;
  }
  if constexpr (kAct == ActKind::kDecay6) return exp(zero() - exp(x));
  if constexpr (kAct == ActKind::kDecay7) return exp(set1(-0.606531f) * sigmoid(x));
  return x;
}

// f(i, lanes): whole vectors, then the tail with fewer lanes.
template <typename F>
inline void for_each_vec(size_t n, F f) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, kLanes);
  if (i < n) f(i, n - i);
}
inline Vec load(const float* p, size_t lanes) { return lanes == kLanes ? load(p) : load_n(p, lanes); }
inline void store(float* p, Vec x, size_t lanes) {
  if (lanes == kLanes) store(p, x);
  else store_n(p, x, lanes);
}
