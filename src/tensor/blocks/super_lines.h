// Blocks of 256 values in groups of 16 or 32 with a scale and a minimum each, integers times two half floats:
// x ~ d * scale * q - dmin * min. As super.h does it, with a line for each group instead of a scale. scale
// and min are not negative, d is positive; dmin is negative where all groups lie above zero.
#pragma once

#include "tensor/blocks/super.h"

namespace rwkv::blocks {

template <size_t N>
struct SuperLines {
  float d, dmin;
  int scale[256 / N], min[256 / N];
  int q[256];
};

template <size_t N>
class SuperLineFit {
  static constexpr size_t kQuads = Super<N>::kQuads;
  using Quads = F4[kQuads];

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
    for (size_t s = 0; s < kQuads; ++s) {
      const F4 inverse = reciprocal(now_.d * now_.scale[s]), low = now_.dmin * now_.min[s];
      for (size_t lane = 0; lane < 4; ++lane) {
        out.scale[4 * s + lane] = static_cast<int>(now_.scale[s][lane]);
        out.min[4 * s + lane] = static_cast<int>(now_.min[s][lane]);
      }
      for (size_t i = 0; i < N; ++i) {
        const F4 q = levels((x_.v[s].x[i] + low) * inverse);
        for (size_t lane = 0; lane < 4; ++lane) out.q[(4 * s + lane) * N + i] = static_cast<int>(q[lane]);
      }
    }
    return out;
  }

 private:
  struct Choice {
    float d, dmin;
    Quads scale, min, error;
    float total;
  };

  // The line that suits each group best, kept to the side of zero where minima lie.
  void fit_groups(std::span<const Inset> insets, std::span<const float> divisors) noexcept {
    bool all_above = true;
    Line line[kQuads];
    for (size_t s = 0; s < kQuads; ++s) {
      fixed_[s] = fixed_sums(x_.v[s]);
      line[s] = fit_line(x_.v[s], top_, insets, 2);
      all_above = all_above && !any(line[s].b < 0.0f);
    }
    side_ = all_above ? -1.0f : 1.0f;
    for (size_t s = 0; s < kQuads; ++s) {
      const I4 wrong = side_ * line[s].b > 0.0f;
      if (any(wrong)) {
        const F4 a = max(scan_scales(x_.v[s], Integers{0, top_}, divisors), splat(0));
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
  float choose(float d, float dmin, Quads& scale, Quads& min) const noexcept {
    const float inverse = 1 / d, inverse_min = dmin != 0 ? 1 / dmin : 0.0f;
    F4 total = {};
    for (size_t s = 0; s < kQuads; ++s) {
      const LineSums& sums = sums_[s];
      const F4 middle = nearest(clamp(a_[s] * inverse, splat(0), splat(most_))), slope = sums.q / sums.w;
      F4 least = splat(INFINITY);
      scale[s] = min[s] = splat(0);
      for (const float step : {0.0f, -1.0f, 1.0f}) {
        const F4 try_scale = clamp(middle + step, splat(0), splat(most_));
        const F4 off_a = d * try_scale - a_[s];
        const F4 wanted_b = b_[s] - slope * off_a;
        const F4 try_min = nearest(clamp(-wanted_b * inverse_min, splat(0), splat(most_)));
        const F4 off_b = -dmin * try_min - b_[s];
        const F4 cost = sums.qq * off_a * off_a + 2 * sums.q * off_a * off_b + sums.w * off_b * off_b;
        const I4 better = cost < least;
        scale[s] = select(better, try_scale, scale[s]);
        min[s] = select(better, try_min, min[s]);
        least = blocks::min(least, cost);
      }
      total += least;
    }
    return sum_of(total);
  }

  void evaluate(Choice& c) const noexcept {
    F4 total = {};
    for (size_t s = 0; s < kQuads; ++s) {
      c.error[s] = error_of(x_.v[s], top_, c.d * c.scale[s], -c.dmin * c.min[s]);
      total += c.error[s];
    }
    c.total = sum_of(total);
  }

  void start() noexcept {
    float largest = 0, lowest = 0;
    now_ = {};
    evaluate(now_);
    for (size_t s = 0; s < kQuads; ++s) {
      largest = std::max(largest, largest_of(a_[s]));
      lowest = std::max(lowest, largest_of(-side_ * b_[s]));
    }
    if (largest == 0 && lowest == 0) return;
    Quads scale, min;
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
    for (size_t s = 0; s < kQuads; ++s) {
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
    now_.total = 0;
    for (size_t s = 0; s < kQuads; ++s) {
      const I4 better = next.error[s] < now_.error[s];
      now_.scale[s] = select(better, next.scale[s], now_.scale[s]);
      now_.min[s] = select(better, next.min[s], now_.min[s]);
      now_.error[s] = select(better, next.error[s], now_.error[s]);
      now_.total += sum_of(now_.error[s]);
    }
  }

  // The two half floats that suit the present whole numbers and quants.
  void try_least_squares() noexcept {
    if (now_.d == 0) return;
    look_again();
    F4 ss = {}, sm = {}, mm = {}, sx = {}, mx = {};
    for (size_t s = 0; s < kQuads; ++s) {
      const F4 scale = now_.scale[s], min = now_.min[s];
      ss += scale * scale * sums_[s].qq;
      sm += scale * min * sums_[s].q;
      mm += min * min * sums_[s].w;
      sx += scale * sums_[s].qx;
      mx += min * sums_[s].x;
    }
    const float a = sum_of(ss), b = -sum_of(sm), c = sum_of(mm), x = sum_of(sx), y = -sum_of(mx);
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
  LineSums fixed_[kQuads], sums_[kQuads];
  Quads a_, b_;
  Choice now_;
};

}  // namespace rwkv::blocks
