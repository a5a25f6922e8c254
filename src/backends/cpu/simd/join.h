// The 16 lanes of a vector joined by a fixed tree: those 8 apart, then 4, 2 and 1. Included inside a namespace.
template <typename F>
inline float join(Vec x, F f) {
  float lane[16];
  store(lane, x);
#pragma GCC unroll 4
  for (size_t half = 8; half > 0; half /= 2)
#pragma GCC unroll 8
    for (size_t i = 0; i < half; ++i) lane[i] = f(lane[i], lane[i + half]);
  return lane[0];
}
inline float sum(Vec x) {
  return join(x, [](float a, float b) { return a + b; });
}
inline float largest(Vec x) {  // b where either is NaN
  return join(x, [](float a, float b) { return a > b ? a : b; });
}
inline int32_t sum16(const int32_t* q) {
  int32_t total = 0;
  for (size_t i = 0; i < 16; ++i) total += q[i];
  return total;
}
