// Blocks of 256 values in groups of 16 or 32 with a scale and a minimum each, integers times two half floats:
// x ~ d * scale * q - dmin * min. As super.h does it, with a line for each group instead of a scale. scale
// and min are not negative, d is positive; dmin is negative where all groups lie above zero.

template <size_t N>
struct SuperLines {
  float d, dmin;
  int scale[256 / N], min[256 / N];
  int q[256];
};

template <size_t N>
class SuperLineFit {
  static constexpr size_t kSets = Super<N>::kSets;
  using Sets = Floats[kSets];

 public:
  // q lies in 0..top, scale and min in 0..most.
  SuperLineFit(const Super<N>& x, float top, float most, std::span<const Inset> insets,
               std::span<const float> divisors) noexcept
      : x_(x), top_(top), most_(most) {
    fit_groups(insets, divisors);
    start();
    for (int round = 0; round < 2; ++round) {
      reselect();
      try_least_squares();
    }
    reselect();
  }

  SuperLines<N> result() const noexcept {
    SuperLines<N> out;
    out.d = now_.d;
    out.dmin = now_.dmin;
    const Integers levels{0, top_};
    for (size_t s = 0; s < kSets; ++s) {
      const Floats inverse = reciprocal(now_.d * now_.scale[s]), low = now_.dmin * now_.min[s];
      for (size_t lane = 0; lane < kWidth; ++lane) {
        out.scale[kWidth * s + lane] = static_cast<int>(now_.scale[s][lane]);
        out.min[kWidth * s + lane] = static_cast<int>(now_.min[s][lane]);
      }
      for (size_t i = 0; i < N; ++i) {
        const Floats q = levels((x_.v[s].x[i] + low) * inverse);
        for (size_t lane = 0; lane < kWidth; ++lane) out.q[(kWidth * s + lane) * N + i] = static_cast<int>(q[lane]);
      }
    }
    return out;
  }

 private:
  struct Choice {
    float d, dmin;
    Sets scale, min, error;
    float total;
  };

  // The line that suits each group best, kept to the side of zero where minima lie.
  void fit_groups(std::span<const Inset> insets, std::span<const float> divisors) noexcept {
    bool all_above = true;
    Line line[kSets];
    for (size_t s = 0; s < kSets; ++s) {
      fixed_[s] = fixed_sums(x_.v[s]);
      line[s] = fit_line(x_.v[s], top_, insets, 2);
      all_above = all_above && !any(line[s].b < 0.0f);
    }
    side_ = all_above ? -1.0f : 1.0f;
    for (size_t s = 0; s < kSets; ++s) {
      const Ints wrong = side_ * line[s].b > 0.0f;
      if (any(wrong)) {
        const Floats a = max(scan_scales(x_.v[s], Integers{0, top_}, divisors), splat(0));
        line[s].a = select(wrong, a, line[s].a);
        line[s].b = select(wrong, splat(0), line[s].b);
      }
      sums_[s] = line_sums(x_.v[s], fixed_[s], top_, line[s].a, line[s].b);
      a_[s] = line[s].a;
      b_[s] = line[s].b;
    }
  }

  // For each group the whole scale and min under d and dmin that cost least, as the sums see it; returns that
  // cost.
  float choose(float d, float dmin, Sets& scale, Sets& min) const noexcept {
    const float inverse = 1 / d, inverse_min = dmin != 0 ? 1 / dmin : 0.0f;
    GroupSum total;
    for (size_t s = 0; s < kSets; ++s) {
      const LineSums& sums = sums_[s];
      const Floats middle = nearest(clamp(a_[s] * inverse, splat(0), splat(most_))), slope = sums.q / sums.w;
      Floats least = splat(INFINITY);
      scale[s] = min[s] = splat(0);
      for (const float step : {0.0f, -1.0f, 1.0f}) {
        const Floats try_scale = clamp(middle + step, splat(0), splat(most_));
        const Floats off_a = d * try_scale - a_[s];
        const Floats wanted_b = b_[s] - slope * off_a;
        const Floats try_min = nearest(clamp(-wanted_b * inverse_min, splat(0), splat(most_)));
        const Floats off_b = -dmin * try_min - b_[s];
        const Floats cost = sums.qq * off_a * off_a + 2 * sums.q * off_a * off_b + sums.w * off_b * off_b;
        const Ints better = cost < least;
        scale[s] = select(better, try_scale, scale[s]);
        min[s] = select(better, try_min, min[s]);
        least = select(better, cost, least);
      }
      total.add(s, least);
    }
    return total.total();
  }

  void evaluate(Choice& c) const noexcept {
    GroupSum sum;
    for (size_t s = 0; s < kSets; ++s) {
      c.error[s] = error_of(x_.v[s], top_, c.d * c.scale[s], -c.dmin * c.min[s]);
      sum.add(s, c.error[s]);
    }
    c.total = sum.total();
  }

  void start() noexcept {
    float largest = 0, lowest = 0;
    now_ = {};
    evaluate(now_);
    for (size_t s = 0; s < kSets; ++s) {
      largest = std::max(largest, largest_of(a_[s]));
      lowest = std::max(lowest, largest_of(-side_ * b_[s]));
    }
    if (largest == 0 && lowest == 0) return;
    Sets scale, min;
    float best_d = 0, best_dmin = 0, best_cost = INFINITY;
    for (const float part : {1.0f, 0.95f, 0.9f, 0.84f})
      for (const float part_min : {1.0f, 0.94f, 0.87f}) {
        const float d = half_at_least_unit(largest / (most_ * part));
        const float dmin = lowest > 0 ? half_at_least_unit(side_ * lowest / (most_ * part_min)) : 0.0f;
        const float cost = choose(d, dmin, scale, min);
        if (cost >= best_cost) continue;
        best_cost = cost, best_d = d, best_dmin = dmin;
      }
    Choice first = now_;
    first.d = best_d, first.dmin = best_dmin;
    choose(best_d, best_dmin, first.scale, first.min);
    evaluate(first);
    if (first.total < now_.total) now_ = first;
  }

  // Sums and ideal lines of the quants that the present choice assigns.
  void look_again() noexcept {
    for (size_t s = 0; s < kSets; ++s) {
      sums_[s] = line_sums(x_.v[s], fixed_[s], top_, now_.d * now_.scale[s], -now_.dmin * now_.min[s]);
      const Line line = solve(sums_[s]);
      a_[s] = line.a;
      b_[s] = line.b;
    }
  }

  void reselect() noexcept {
    if (now_.d == 0) return;
    look_again();
    Choice next = now_;
    choose(next.d, next.dmin, next.scale, next.min);
    evaluate(next);
    GroupSum sum;
    for (size_t s = 0; s < kSets; ++s) {
      const Ints better = next.error[s] < now_.error[s];
      now_.scale[s] = select(better, next.scale[s], now_.scale[s]);
      now_.min[s] = select(better, next.min[s], now_.min[s]);
      now_.error[s] = select(better, next.error[s], now_.error[s]);
      sum.add(s, now_.error[s]);
    }
    now_.total = sum.total();
  }

  // The two half floats that suit the present whole numbers and quants.
  void try_least_squares() noexcept {
    if (now_.d == 0) return;
    look_again();
    GroupSum ss, sm, mm, sx, mx;
    for (size_t s = 0; s < kSets; ++s) {
      const Floats scale = now_.scale[s], min = now_.min[s];
      ss.add(s, scale * scale * sums_[s].qq);
      sm.add(s, scale * min * sums_[s].q);
      mm.add(s, min * min * sums_[s].w);
      sx.add(s, scale * sums_[s].qx);
      mx.add(s, min * sums_[s].x);
    }
    const float a = ss.total(), b = -sm.total(), c = mm.total(), x = sx.total(), y = -mx.total();
    const float determinant = a * c - b * b;
    Choice next = now_;
    if (determinant > 1e-6f * a * c) {
      next.d = half_at_least_unit((x * c - y * b) / determinant);
      next.dmin = half_at_least_unit((a * y - b * x) / determinant);
    } else if (a > 0) {
      next.d = half_at_least_unit(x / a);
    }
    if (next.d <= 0) return;
    for (int form = 0; form < 2; ++form) {
      if (form == 1) choose(next.d, next.dmin, next.scale, next.min);
      evaluate(next);
      if (next.total < now_.total) now_ = next;
    }
  }

  const Super<N>& x_;
  const float top_, most_;
  float side_ = 1;
  LineSums fixed_[kSets], sums_[kSets];
  Sets a_, b_;
  Choice now_;
};
