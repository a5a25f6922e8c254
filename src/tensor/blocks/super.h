// Blocks of 256 values in groups of 16 or 32 whose scales are integers times a half float: x ~ d * scale *
// level(q). Each group's scale is fitted alone; then a half float d is looked for under which all of them are
// near whole numbers, and d and the whole numbers are improved in turns, by the error that they really leave.
#pragma once

#include "tensor/blocks/fit.h"

namespace rwkv::blocks {

inline void put_half(Byte* out, float value) noexcept {
  const uint16_t half = f32_to_f16(value);
  std::memcpy(out, &half, 2);
}

inline float sum_of(F4 v) noexcept { return (v[0] + v[1]) + (v[2] + v[3]); }
inline float largest_of(F4 v) noexcept {
  const F4 pairs = max(v, F4{v[2], v[3], v[0], v[1]});
  return pairs[0] > pairs[1] ? pairs[0] : pairs[1];
}
// A half float of at least the smallest one, so that scales do not vanish while whole multiples of it fit.
inline float half_at_least_unit(float v) noexcept {
  const float half = to_half(splat(v))[0];
  return half != 0 ? half : v < 0 ? -kHalfUnit : kHalfUnit;
}

// 256 values as quadruples of groups of N; group 4 s + lane.
template <size_t N>
struct Super {
  static constexpr size_t kQuads = 64 / N;
  Values<N> v[kQuads];

  Super(const float* in, const float* importance) noexcept {
    const float mean = mean_importance(importance, 256);
    const float means[4] = {mean, mean, mean, mean};
    for (size_t s = 0; s < kQuads; ++s)
      load_groups(in + 4 * N * s, importance ? importance + 4 * N * s : nullptr, means, 4, v[s]);
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
  static constexpr size_t kQuads = Super<N>::kQuads;

 public:
  // Whole scales lie in low..high. `divisors`: see scan_scales.
  SuperScaleFit(const Super<N>& x, const Levels& levels, float low, float high,
                std::span<const float> divisors) noexcept
      : x_(x), levels_(levels), low_(splat(low)), high_(splat(high)) {
    float largest = 0;
    for (size_t s = 0; s < kQuads; ++s) {
      F4 a = scan_scales(x.v[s], levels, divisors);
      for (int round = 0; round < 2; ++round) improve(s, a);
      for (size_t lane = 0; lane < 4; ++lane)
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
    for (size_t s = 0; s < kQuads; ++s) {
      const F4 inverse = reciprocal(d_ * scale_[s]);
      for (size_t lane = 0; lane < 4; ++lane) out.scale[4 * s + lane] = static_cast<int>(scale_[s][lane]);
      for (size_t i = 0; i < N; ++i) {
        const F4 q = levels_.index(x_.v[s].x[i] * inverse);
        for (size_t lane = 0; lane < 4; ++lane) out.q[(4 * s + lane) * N + i] = static_cast<int>(q[lane]);
      }
    }
    return out;
  }

 private:
  // One step of least squares from scale a; keeps how much a scale's distance from the ideal one costs.
  void improve(size_t s, F4& a) noexcept {
    const F4 inverse = reciprocal(a);
    F4 qx = {}, qq = {};
    for (size_t i = 0; i < N; ++i) {
      const F4 q = levels_(x_.v[s].x[i] * inverse), wq = x_.v[s].w[i] * q;
      qx += wq * x_.v[s].x[i];
      qq += wq * q;
    }
    ideal_[s] = a = divide(qx, qq);
    cost_[s] = qq;
  }

  // Errors of all groups with their nearest whole scales under d.
  float errors_of(float d, F4 (&scale)[kQuads], F4 (&error)[kQuads]) const noexcept {
    F4 total = {};
    for (size_t s = 0; s < kQuads; ++s) {
      error[s] = error_of(x_.v[s], levels_, d * scale[s]);
      total += error[s];
    }
    return sum_of(total);
  }
  // As good will do: d is needed where all scales are 0 yet.
  void take_if_no_worse(float d, F4 (&scale)[kQuads]) noexcept {
    F4 error[kQuads];
    if (!(errors_of(d, scale, error) <= total())) return;
    d_ = d;
    for (size_t s = 0; s < kQuads; ++s) scale_[s] = scale[s], error_[s] = error[s];
  }
  float total() const noexcept {
    F4 sum = {};
    for (size_t s = 0; s < kQuads; ++s) sum += error_[s];
    return sum_of(sum);
  }
  void round_ideal(float d, F4 (&scale)[kQuads]) const noexcept {
    const F4 inverse = splat(1 / d);
    for (size_t s = 0; s < kQuads; ++s) scale[s] = nearest(clamp(ideal_[s] * inverse, low_, high_));
  }

  // d that maps the largest scale to one of the last whole numbers on either side.
  void start(float largest) noexcept {
    F4 scale[kQuads];
    for (size_t s = 0; s < kQuads; ++s) scale_[s] = splat(0);
    errors_of(0, scale_, error_);
    d_ = 0;
    if (largest == 0) return;
    float best_d = 0, best_cost = INFINITY;
    for (const F4 end : {low_, high_})
      for (int i = 0; i < 12; ++i) {
        const float d = half_at_least_unit(largest / (end[0] * (1 - 0.02f * static_cast<float>(i))));
        round_ideal(d, scale);
        F4 cost = {};
        for (size_t s = 0; s < kQuads; ++s) {
          const F4 off = ideal_[s] - d * scale[s];
          cost += cost_[s] * off * off;
        }
        if (sum_of(cost) >= best_cost) continue;
        best_cost = sum_of(cost);
        best_d = d;
      }
    for (const float d : {best_d, half_at_least_unit(largest / low_[0])}) {
      round_ideal(d, scale);
      take_if_no_worse(d, scale);
    }
  }

  void try_neighbours() noexcept {
    for (size_t s = 0; s < kQuads; ++s) {
      const F4 scale = scale_[s];
      for (const float step : {-1.0f, 1.0f}) {
        const F4 next = clamp(scale + step, low_, high_);
        const F4 error = error_of(x_.v[s], levels_, d_ * next);
        const I4 better = error < error_[s];
        scale_[s] = select(better, next, scale_[s]);
        error_[s] = select(better, error, error_[s]);
      }
    }
  }

  void try_least_squares() noexcept {
    F4 qx = {}, qq = {};
    for (size_t s = 0; s < kQuads; ++s) {
      F4 a = d_ * scale_[s];
      improve(s, a);
      qx += scale_[s] * ideal_[s] * cost_[s];
      qq += scale_[s] * scale_[s] * cost_[s];
    }
    if (sum_of(qq) <= 0) return;
    const float d = half_at_least_unit(sum_of(qx) / sum_of(qq));
    F4 scale[kQuads];
    for (size_t s = 0; s < kQuads; ++s) scale[s] = scale_[s];
    take_if_no_worse(d, scale);
    round_ideal(d_ != 0 ? d_ : d, scale);
    take_if_no_worse(d_ != 0 ? d_ : d, scale);
  }

  const Super<N>& x_;
  const Levels& levels_;
  const F4 low_, high_;
  F4 ideal_[kQuads], cost_[kQuads];  // scale that suits best, weight of its squared distance
  float d_ = 0;
  F4 scale_[kQuads], error_[kQuads];
};

}  // namespace rwkv::blocks
