// Norms and token shift of one row. Sums run in 16 lanes and end in a fixed tree.

// mean and 1 / sqrt(biased variance + eps) of n values
inline void moments(const float* x, size_t n, float eps, bool centre, float* mean, float* scale) {
  const float count = static_cast<float>(n);
  Vec total = zero();
  if (centre) for_each_vec(n, [&](size_t i, size_t lanes) { total = total + load(x + i, lanes); });
  *mean = centre ? sum(total) / count : 0.0f;
  Vec square = zero();
  const Vec m = set1(*mean);
  for_each_vec(n, [&](size_t i, size_t lanes) {
    Vec d = load(x + i, lanes) - m;
    if (lanes != kLanes) {  // lanes past the end hold -mean: drop them
      float keep[kLanes] = {};
      store_n(keep, d, lanes);
      d = load(keep);
    }
    square = mul_add(d, d, square);
  });
  *scale = 1.0f / sqrtf(sum(square) / count + eps);
}

inline void norm(const NormArgs& a) {
  float mean, scale;
  moments(a.x, a.n, a.eps, !a.rms, &mean, &scale);
  for_each_vec(a.n, [&](size_t i, size_t lanes) {
    const Vec x = (load(a.x + i, lanes) - set1(mean)) * set1(scale);
    const Vec w = load(a.weight + i, lanes);
    store(a.out + i, a.bias ? mul_add(x, w, load(a.bias + i, lanes)) : x * w, lanes);
  });
}

inline void mix(const MixArgs& a) {
  const auto write = [&](auto f) {
    for_each_vec(a.n, [&](size_t i, size_t lanes) {
      store(a.out + i, f(i, lanes, load(a.h + i, lanes), load(a.p + i, lanes)), lanes);
    });
  };
  if (!a.mix) write([](size_t, size_t, Vec h, Vec p) { return p - h; });
  else if (a.of_current) write([&](size_t i, size_t lanes, Vec h, Vec p) { return mul_add(h - p, load(a.mix + i, lanes), p); });
  else write([&](size_t i, size_t lanes, Vec h, Vec p) { return mul_add(p - h, load(a.mix + i, lanes), h); });
}
