// Encoders of the blocks of 32 values: Q8_0 Q5_1 Q5_0 Q4_1 Q4_0.

// Low nibbles of values 0..15, high ones of 16..31; returns the fifth bits.
uint32_t put_nibbles(const Ints* q, size_t lane, Byte* out) noexcept {
  uint32_t high = 0;
  for (unsigned j = 0; j < 16; ++j) {
    const auto first = static_cast<uint32_t>(q[j][lane]), second = static_cast<uint32_t>(q[j + 16][lane]);
    out[j] = static_cast<Byte>((first & 15) | (second & 15) << 4);
    high |= (first >> 4 & 1) << j | (second >> 4 & 1) << (j + 16);
  }
  return high;
}

// Levels that the extreme value may map to: a greedy choice on normal and heavy-tailed values, and whole
// levels, so that values which lie on levels already are found again.
constexpr float kWhole4[] = {-8, 7, -7, 8}, kScan4[] = {-8.5f, -7.75f, -8.75f, -8.25f, -7.25f, -6.5f, -6, 6};
constexpr float kWhole8[] = {127}, kScan8[] = {126, 125, 124, 123, 122, 121, 120};
constexpr float kWhole5[] = {-16, 15, -15, 16};
constexpr float kScan5[] = {-16.5f, -14, -15.75f, -16.25f, -15.25f, -13, -14.75f, -16.75f, -12, 14, 13, 12};

template <bool kFifth>
void encode_scaled(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  constexpr size_t kBytes = kFifth ? 22 : 18;
  constexpr float kZero = kFifth ? 16 : 8;
  const Integers levels{-kZero, kZero - 1};
  each_few<kBytes>(in, n_block, importance, out, [&](const Values<32>& v, size_t count, Byte* to) {
    const Scale scale = kFifth ? fit_half_scale(v, levels, kWhole5, kScan5, 2)
                               : fit_half_scale(v, levels, kWhole4, kScan4, 2);
    const Floats inverse = reciprocal(scale.d);
    Ints q[32];
    for (size_t i = 0; i < 32; ++i) q[i] = to_int(levels(v.x[i] * inverse) + kZero);
    for (size_t lane = 0; lane < count; ++lane, to += kBytes) {
      put_half(to, scale.d[lane]);
      const uint32_t high = put_nibbles(q, lane, to + kBytes - 16);
      if (kFifth) std::memcpy(to + 2, &high, 4);
    }
  });
}

// A least-squares line with two half floats: after each rounding the other coefficient is fitted again.
Line halve_line(const Values<32>& v, float top, const Line& line) noexcept {
  Floats low, high;
  range_of(v, low, high);
  const LineSums fixed = fixed_sums(v);
  Line best = {splat(0), to_half(0.5f * (low + high)), splat(0)};
  best.error = error_of(v, top, best.a, best.b);
  const auto take = [&](Floats a, Floats b) {
    a = to_half(a), b = to_half(b);
    take_better(best, {a, b, error_of(v, top, a, b)});
  };
  // Values that lie on such a line already, perhaps without its ends, are found again.
  const Ints is_coarse = coarse((high - low) / top);
  const auto take_spare = [&](float spare) {
    const Floats a = (high - low) / (top - spare);
    for (float first = 0; first <= spare && first <= 2; ++first) take(a, low - first * a);
  };
  for (float spare = 0; spare <= 2; ++spare) take_spare(spare);
  if (any(is_coarse)) {
    const Line before = best;
    for (float spare = 3; spare <= top / 2; ++spare) take_spare(spare);
    best = select(is_coarse, best, before);
  }
  take(line.a, line.b);
  for (int round = 0; round < 2; ++round) {
    LineSums s = line_sums(v, fixed, top, best.a, best.b);
    take(divide(s.qx - best.b * s.q, s.qq), best.b);
    s = line_sums(v, fixed, top, best.a, best.b);
    take(best.a, (s.x - best.a * s.q) / s.w);
  }
  if (const Ints tiny = coarse(best.a); any(tiny)) {
    const Line before = best;
    for (const float step : kCoarseSteps) {
      const Floats next = to_half(before.a + step);
      const LineSums s = line_sums(v, fixed, top, next, before.b);
      take(next, (s.x - next * s.q) / s.w);
    }
    best = select(tiny, best, before);
  }
  return best;
}

template <bool kFifth>
void encode_line(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  constexpr size_t kBytes = kFifth ? 24 : 20;
  constexpr float kTop = kFifth ? 31 : 15;
  each_few<kBytes>(in, n_block, importance, out, [&](const Values<32>& v, size_t count, Byte* to) {
    const auto insets = kFifth ? std::span<const Inset>(kInsets31) : std::span<const Inset>(kInsets15);
    const Line line = halve_line(v, kTop, fit_line(v, kTop, insets, 2));
    const Floats inverse = reciprocal(line.a);
    const Integers levels{0, kTop};
    Ints q[32];
    for (size_t i = 0; i < 32; ++i) q[i] = to_int(levels((v.x[i] - line.b) * inverse));
    for (size_t lane = 0; lane < count; ++lane, to += kBytes) {
      put_half(to, line.a[lane]);
      put_half(to + 2, line.b[lane]);
      const uint32_t high = put_nibbles(q, lane, to + kBytes - 16);
      if (kFifth) std::memcpy(to + 4, &high, 4);
    }
  });
}

void encode_q8_0(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  constexpr Integers levels{-127, 127};
  each_few<34>(in, n_block, importance, out, [&](const Values<32>& v, size_t count, Byte* to) {
    Floats d = fit_half_scale(v, levels, kWhole8, kScan8, 1).d;
    if (const Ints tiny = abs(d) < 0x1p-14f; any(tiny)) {
      // A subnormal scale may have left values below the last level; such values are found again.
      const Floats extreme = extreme_of(v), lowest = abs(d);
      const auto take_exact = [&](Floats next) { d = select(tiny & (error_of(v, levels, next) == 0.0f), next, d); };
      for (float top = 126; top >= 112; --top) take_exact(to_half(extreme / top));
      for (float step = 1; step <= 5; ++step) take_exact(lowest + step * kHalfUnit);
    }
    const Floats inverse = reciprocal(d);
    Ints q[32];
    for (size_t i = 0; i < 32; ++i) q[i] = to_int(levels(v.x[i] * inverse));
    for (size_t lane = 0; lane < count; ++lane, to += 34) {
      put_half(to, d[lane]);
      for (size_t i = 0; i < 32; ++i) to[2 + i] = static_cast<Byte>(q[i][lane]);
    }
  });
}
void encode_q4_1(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encode_line<false>(in, n_block, importance, out);
}
void encode_q5_1(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encode_line<true>(in, n_block, importance, out);
}
void encode_q4_0(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encode_scaled<false>(in, n_block, importance, out);
}
void encode_q5_0(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  encode_scaled<true>(in, n_block, importance, out);
}
