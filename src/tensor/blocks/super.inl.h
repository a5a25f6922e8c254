// Blocks of 256 values in groups of 16 or 32 whose scales are integers times a half float: x ~ d * scale *
// level(q). Each group's scale is fitted alone; then a half float d is looked for under which all of them are
// near whole numbers, and d and the whole numbers are improved in turns, by the error that they really leave.

inline void put_half(Byte* out, float value) noexcept {
  const uint16_t half = f32_to_f16(value);
  std::memcpy(out, &half, 2);
}

// A sum over all groups, in one order whatever the width: lane by lane of sets of eight, then pairs.
class GroupSum {
 public:
  void add(size_t set, Floats v) noexcept { part_[set % kParts] += v; }
  float total() const noexcept {
    float v[8];
    for (size_t i = 0; i < 8; ++i) v[i] = part_[i / kWidth][i % kWidth];
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
  }

 private:
  static constexpr size_t kParts = 8 / kWidth;
  Floats part_[kParts] = {};
};
inline float largest_of(Floats v) noexcept {
  float out = v[0];
  for (size_t lane = 1; lane < kWidth; ++lane) out = out > v[lane] ? out : v[lane];
  return out;
}
// A half float of at least the smallest one, so that scales do not vanish while whole multiples of it fit.
inline float half_at_least_unit(float v) noexcept {
  const float half = to_half(splat(v))[0];
  return half != 0 ? half : v < 0 ? -kHalfUnit : kHalfUnit;
}

// 256 values as sets of kWidth groups of N; group kWidth * s + lane.
template <size_t N>
struct Super {
  static constexpr size_t kSets = 256 / (kWidth * N);
  Values<N> v[kSets];

  Super(const float* in, const float* importance) noexcept {
    const float mean = mean_importance(importance, 256);
    float means[kWidth];
    for (float& m : means) m = mean;
    for (size_t s = 0; s < kSets; ++s)
      load_groups(in + kWidth * N * s, importance ? importance + kWidth * N * s : nullptr, means, kWidth, v[s]);
  }
};

// Quants and group scales as integers, in the order of the values.
template <size_t N>
struct SuperScales {
  float d;
  int scale[256 / N];
  int q[256];
};

template <size_t N, class Levels>
class SuperScaleFit {
  static constexpr size_t kSets = Super<N>::kSets;

 public:
  // Whole scales lie in low..high. `divisors`: see scan_scales.
  SuperScaleFit(const Super<N>& x, const Levels& levels, float low, float high,
                std::span<const float> divisors) noexcept
      : x_(x), levels_(levels), low_(splat(low)), high_(splat(high)) {
    float largest = 0;
    for (size_t s = 0; s < kSets; ++s) {
      Floats a = scan_scales(x.v[s], levels, divisors);
      for (int round = 0; round < 2; ++round) improve(s, a);
      for (size_t lane = 0; lane < kWidth; ++lane)
        if (std::abs(ideal_[s][lane]) > std::abs(largest)) largest = ideal_[s][lane];
    }
    start(largest);
    for (int round = 0; round < 2; ++round) {
      try_neighbours();
      try_least_squares();
    }
    try_neighbours();
  }

  SuperScales<N> result() const noexcept {
    SuperScales<N> out;
    out.d = d_;
    for (size_t s = 0; s < kSets; ++s) {
      const Floats inverse = reciprocal(d_ * scale_[s]);
      for (size_t lane = 0; lane < kWidth; ++lane) out.scale[kWidth * s + lane] = static_cast<int>(scale_[s][lane]);
      for (size_t i = 0; i < N; ++i) {
        const Floats q = levels_.index(x_.v[s].x[i] * inverse);
        for (size_t lane = 0; lane < kWidth; ++lane) out.q[(kWidth * s + lane) * N + i] = static_cast<int>(q[lane]);
      }
    }
    return out;
  }

 private:
  // One step of least squares from scale a; keeps how much a scale's distance from the ideal one costs.
  void improve(size_t s, Floats& a) noexcept {
    const Floats inverse = reciprocal(a);
    Floats qx = {}, qq = {};
    for (size_t i = 0; i < N; ++i) {
      const Floats q = levels_(x_.v[s].x[i] * inverse), wq = x_.v[s].w[i] * q;
      qx += wq * x_.v[s].x[i];
      qq += wq * q;
    }
    ideal_[s] = a = divide(qx, qq);
    cost_[s] = qq;
  }

  // Errors of all groups with their nearest whole scales under d.
  float errors_of(float d, Floats (&scale)[kSets], Floats (&error)[kSets]) const noexcept {
    GroupSum sum;
    for (size_t s = 0; s < kSets; ++s) {
      error[s] = error_of(x_.v[s], levels_, d * scale[s]);
      sum.add(s, error[s]);
    }
    return sum.total();
  }
  // As good will do: d is needed where all scales are 0 yet.
  void take_if_no_worse(float d, Floats (&scale)[kSets]) noexcept {
    Floats error[kSets];
    if (!(errors_of(d, scale, error) <= total())) return;
    d_ = d;
    for (size_t s = 0; s < kSets; ++s) scale_[s] = scale[s], error_[s] = error[s];
  }
  float total() const noexcept {
    GroupSum sum;
    for (size_t s = 0; s < kSets; ++s) sum.add(s, error_[s]);
    return sum.total();
  }
  void round_ideal(float d, Floats (&scale)[kSets]) const noexcept {
    const Floats inverse = splat(1 / d);
    for (size_t s = 0; s < kSets; ++s) scale[s] = nearest(clamp(ideal_[s] * inverse, low_, high_));
  }

  // d that maps the largest scale to one of the last whole numbers on either side.
  void start(float largest) noexcept {
    Floats scale[kSets];
    for (size_t s = 0; s < kSets; ++s) scale_[s] = splat(0);
    errors_of(0, scale_, error_);
    d_ = 0;
    if (largest == 0) return;
    float best_d = 0, best_cost = INFINITY;
    for (const Floats end : {low_, high_})
      for (int i = 0; i < 12; ++i) {
        const float d = half_at_least_unit(largest / (end[0] * (1 - 0.02f * static_cast<float>(i))));
        round_ideal(d, scale);
        GroupSum cost;
        for (size_t s = 0; s < kSets; ++s) {
          const Floats off = ideal_[s] - d * scale[s];
          cost.add(s, cost_[s] * off * off);
        }
        if (cost.total() >= best_cost) continue;
        best_cost = cost.total();
        best_d = d;
      }
    for (const float d : {best_d, half_at_least_unit(largest / low_[0])}) {
      round_ideal(d, scale);
      take_if_no_worse(d, scale);
    }
  }

  void try_neighbours() noexcept {
    for (size_t s = 0; s < kSets; ++s) {
      const Floats scale = scale_[s];
      for (const float step : {-1.0f, 1.0f}) {
        const Floats next = clamp(scale + step, low_, high_);
        const Floats error = error_of(x_.v[s], levels_, d_ * next);
        const Ints better = error < error_[s];
        scale_[s] = select(better, next, scale_[s]);
        error_[s] = select(better, error, error_[s]);
      }
    }
  }

  void try_least_squares() noexcept {
    GroupSum qx, qq;
    for (size_t s = 0; s < kSets; ++s) {
      Floats a = d_ * scale_[s];
      improve(s, a);
      qx.add(s, scale_[s] * ideal_[s] * cost_[s]);
      qq.add(s, scale_[s] * scale_[s] * cost_[s]);
    }
    if (qq.total() <= 0) return;
    const float d = half_at_least_unit(qx.total() / qq.total());
    Floats scale[kSets];
    for (size_t s = 0; s < kSets; ++s) scale[s] = scale_[s];
    take_if_no_worse(d, scale);
    round_ideal(d_ != 0 ? d_ : d, scale);
    take_if_no_worse(d_ != 0 ? d_ : d, scale);
  }

  const Super<N>& x_;
  const Levels& levels_;
  const Floats low_, high_;
  Floats ideal_[kSets], cost_[kSets];  // scale that suits best, weight of its squared distance
  float d_ = 0;
  Floats scale_[kSets], error_[kSets];
};
