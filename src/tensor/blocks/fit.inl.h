// Fitting scales to groups of values, kWidth groups at once: x ~ d * level(q), or x ~ a * q + b. A fit tries a
// list of scales that map the largest value to one level or another (also past the last one: clipping few
// values can pay), takes the one with the least weighted squared error, and then alternates between least
// squares for the scale and nearest levels for the values.

// N values of kWidth groups and how much their errors count.
template <size_t N>
struct Values {
  Floats x[N], w[N];
};

// What importances are divided by, so that weights are around 1; 0: there is nothing to go by, all count the
// same.
inline float mean_importance(const float* importance, size_t n) noexcept {
  if (!importance) return 0;
  float sum = 0;
  for (size_t i = 0; i < n; ++i) sum += importance[i];
  return sum > 0 && sum < 1e30f ? sum / static_cast<float>(n) : 0.0f;
}

// Groups lie one behind the other; those past `count` become zeros. mean[lane] as above.
template <size_t N>
void load_groups(const float* in, const float* importance, const float* mean, size_t count,
                 Values<N>& out) noexcept {
  constexpr float kLargest = 1e9f;       // more than any block can hold, and its square is finite
  constexpr float kLeastWeight = 1e-6f;  // keeps sums of weights above 0
  for (size_t i = 0; i < N; ++i) {
    Floats x = {};
    for (size_t lane = 0; lane < count; ++lane) x[lane] = in[lane * N + i];
    x = select(x < -kLargest, splat(-kLargest), x);
    out.x[i] = select(x > kLargest, splat(kLargest), x);
    out.w[i] = splat(1);
  }
  for (size_t lane = 0; lane < count; ++lane)
    if (mean[lane] > 0)
      for (size_t i = 0; i < N; ++i) out.w[i][lane] = importance[lane * N + i] / mean[lane] + kLeastWeight;
}

// f(values, count, out) for each kWidth blocks (or the last few).
template <size_t kBytes, class F>
void each_few(const float* in, size_t n_block, const float* importance, Byte* out, F f) noexcept {
  Values<32> v;
  for (size_t block = 0; block < n_block; block += kWidth) {
    const size_t count = n_block - block < kWidth ? n_block - block : kWidth;
    float mean[kWidth] = {};
    for (size_t lane = 0; lane < count; ++lane)
      mean[lane] = mean_importance(importance ? importance + 32 * (block + lane) : nullptr, 32);
    load_groups(in + 32 * block, importance ? importance + 32 * block : nullptr, mean, count, v);
    f(v, count, out + kBytes * block);
  }
}

// Subnormal halves are multiples of 2^-24. A scale of few of them is so coarse that its neighbours must be
// tried too.
constexpr float kHalfUnit = 0x1p-24f;
constexpr float kCoarseSteps[] = {-2 * kHalfUnit, -kHalfUnit, kHalfUnit, 2 * kHalfUnit};
inline Ints coarse(Floats d) noexcept { return abs(d) < 64 * kHalfUnit; }

// Levels: the integers low..high.
struct Integers {
  float low, high;
  Floats operator()(Floats v) const noexcept { return nearest(clamp(v, splat(low), splat(high))); }
  Floats index(Floats v) const noexcept { return (*this)(v)-low; }  // what a block stores: 0, 1, ...
};

template <size_t N, class Levels>
Floats error_of(const Values<N>& v, const Levels& levels, Floats d) noexcept {
  const Floats inverse = reciprocal(d);
  Floats sum[2] = {};
  for (size_t i = 0; i < N; ++i) {
    const Floats e = v.x[i] - d * levels(v.x[i] * inverse);
    sum[i % 2] += v.w[i] * e * e;
  }
  return sum[0] + sum[1];
}

// The scale that suits the levels which `d` assigns.
template <size_t N, class Levels>
Floats least_squares(const Values<N>& v, const Levels& levels, Floats d) noexcept {
  const Floats inverse = reciprocal(d);
  Floats qx = {}, qq = {};
  for (size_t i = 0; i < N; ++i) {
    const Floats q = levels(v.x[i] * inverse), wq = v.w[i] * q;
    qx += wq * v.x[i];
    qq += wq * q;
  }
  return divide(qx, qq);
}

// The value of each group that is largest in size, with its sign.
template <size_t N>
Floats extreme_of(const Values<N>& v) noexcept {
  Floats low = v.x[0], high = v.x[0];
  for (size_t i = 1; i < N; ++i) {
    low = min(low, v.x[i]);
    high = max(high, v.x[i]);
  }
  return select(-low > high, low, high);
}

struct Scale {
  Floats d, error;
};
inline void take_better(Scale& best, Floats d, Floats error) noexcept {
  const Ints better = error < best.error;
  best = {select(better, d, best.d), select(better, error, best.error)};
}

// x ~ d * level, d any float: of the scales that map the extreme value to each of `divisors` (levels, not
// always whole), the one whose assignment explains most after least squares.
template <size_t N, class Levels>
Floats scan_scales(const Values<N>& v, const Levels& levels, std::span<const float> divisors) noexcept {
  const Floats one_over = reciprocal(extreme_of(v));
  Floats best = {}, explained = splat(-1);
  for (const float divisor : divisors) {
    const Floats inverse = divisor * one_over;
    Floats qx = {}, qq = {};
    for (size_t i = 0; i < N; ++i) {
      const Floats q = levels(v.x[i] * inverse), wq = v.w[i] * q;
      qx += wq * v.x[i];
      qq += wq * q;
    }
    const Floats d = divide(qx, qq);
    const Ints better = qx * d > explained * 1.000001f;  // among equals the first one
    best = select(better, d, best);
    explained = select(better, qx * d, explained);
  }
  return best;
}

// The same with a half float for d. `whole` divisors are tried as they are, so that values which already lie
// on levels are found again.
template <size_t N, class Levels>
Scale fit_half_scale(const Values<N>& v, const Levels& levels, std::span<const float> whole,
                     std::span<const float> divisors, int rounds) noexcept {
  const Floats extreme = extreme_of(v);
  Scale best = {splat(0), error_of(v, levels, splat(0))};
  const auto take = [&](Floats d) { take_better(best, to_half(d), error_of(v, levels, to_half(d))); };
  for (const float divisor : whole) take(extreme / divisor);
  take(scan_scales(v, levels, divisors));
  for (int round = 0; round < rounds; ++round) take(least_squares(v, levels, best.d));
  if (const Ints tiny = coarse(best.d); any(tiny)) {
    const Scale before = best;
    for (const float step : kCoarseSteps) take(before.d + step);
    for (const float step : kCoarseSteps) take(splat(step));
    best = {select(tiny, best.d, before.d), select(tiny, best.error, before.error)};
  }
  return best;
}

// Sums over a group for the line x ~ a q + b, with the q that some line assigned.
struct LineSums {
  Floats w, q, qq, x, qx, xx;
};
struct Line {
  Floats a, b, error;
};
inline Line select(Ints mask, const Line& a, const Line& b) noexcept {
  return {select(mask, a.a, b.a), select(mask, a.b, b.b), select(mask, a.error, b.error)};
}
inline void take_better(Line& best, const Line& line) noexcept { best = select(line.error < best.error, line, best); }

// The least-squares line. Where all q are the same it is level.
inline Line solve(const LineSums& s) noexcept {
  const Floats determinant = s.w * s.qq - s.q * s.q;
  // Rounding leaves something of a determinant that is 0.
  const Ints level = determinant <= 1e-6f * s.w * s.qq;
  const Floats a = select(level, splat(0), (s.w * s.qx - s.q * s.x) / select(level, splat(1), determinant));
  const Floats b = (s.x - a * s.q) / s.w;
  return {a, b, s.xx - a * s.qx - b * s.x};
}

// Those that do not depend on q.
template <size_t N>
LineSums fixed_sums(const Values<N>& v) noexcept {
  LineSums s = {};
  for (size_t i = 0; i < N; ++i) {
    const Floats wx = v.w[i] * v.x[i];
    s.w += v.w[i];
    s.x += wx;
    s.xx += wx * v.x[i];
  }
  return s;
}
// q of the line a q + b: the integers 0..top. `fixed`: of the same values.
template <size_t N>
LineSums line_sums(const Values<N>& v, const LineSums& fixed, float top, Floats a, Floats b) noexcept {
  const Integers levels{0, top};
  const Floats inverse = reciprocal(a);
  LineSums s = fixed;
  s.q = s.qq = s.qx = splat(0);
  for (size_t i = 0; i < N; ++i) {
    const Floats q = levels((v.x[i] - b) * inverse), wq = v.w[i] * q;
    s.q += wq;
    s.qq += wq * q;
    s.qx += wq * v.x[i];
  }
  return s;
}
template <size_t N>
Floats error_of(const Values<N>& v, float top, Floats a, Floats b) noexcept {
  const Integers levels{0, top};
  const Floats inverse = reciprocal(a);
  Floats sum[2] = {};
  for (size_t i = 0; i < N; ++i) {
    const Floats e = v.x[i] - (a * levels((v.x[i] - b) * inverse) + b);
    sum[i % 2] += v.w[i] * e * e;
  }
  return sum[0] + sum[1];
}

template <size_t N>
void range_of(const Values<N>& v, Floats& low, Floats& high) noexcept {
  low = high = v.x[0];
  for (size_t i = 1; i < N; ++i) {
    low = min(low, v.x[i]);
    high = max(high, v.x[i]);
  }
}

// How far a line's ends lie inside the range of the values, in steps of the line.
struct Inset {
  float low, high;
};
// For 4, 16 and 32 levels; greedy choices on normal and heavy-tailed values.
constexpr Inset kInsets3[] = {{0, 0},        {0.6f, 0.4f}, {0.2f, 0.6f},  {0.6f, 0},
                              {-0.2f, 0.4f}, {0.4f, 0.4f}, {0.2f, -0.2f}, {0.2f, 0.4f}};
constexpr Inset kInsets15[] = {{0, 0},        {-0.2f, 0.5f}, {0.5f, 0},      {0, 0.25f}, {0.25f, 0},
                               {0.5f, -0.2f}, {0.25f, 0.5f}, {-0.2f, 0.25f}, {0, -0.4f}, {0.25f, 0.25f}};
constexpr Inset kInsets31[] = {{0, 0},         {0.5f, -0.2f}, {-0.2f, 0.25f}, {0.25f, 0},
                               {-0.2f, 0.5f},  {0, 0.25f},    {0.25f, -0.2f}, {0.25f, 0.25f},
                               {-0.2f, -0.4f}, {-0.4f, 0},    {0.25f, 0.5f}};

// x ~ a q + b with q = 0..top: of the lines with each inset, the one that fits best after least squares;
// `rounds` more.
template <size_t N>
Line fit_line(const Values<N>& v, float top, std::span<const Inset> insets, int rounds) noexcept {
  Floats low, high;
  range_of(v, low, high);
  const Floats middle = 0.5f * (low + high);
  Values<N> centred;  // so that sums of squares do not cancel
  for (size_t i = 0; i < N; ++i) {
    centred.x[i] = v.x[i] - middle;
    centred.w[i] = v.w[i];
  }
  low -= middle;
  high -= middle;
  const LineSums fixed = fixed_sums(centred);
  Line best = {splat(0), splat(0), splat(INFINITY)};
  for (const Inset inset : insets) {
    const Floats a = (high - low) / (top + inset.low + inset.high);
    take_better(best, solve(line_sums(centred, fixed, top, a, low + inset.low * a)));
  }
  for (int round = 0; round < rounds; ++round)
    take_better(best, solve(line_sums(centred, fixed, top, best.a, best.b)));
  best.b += middle;
  return best;
}
