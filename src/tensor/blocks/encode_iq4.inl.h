// Encoders of IQ4_NL and IQ4_XS: sixteen uneven levels under a scale per 32 values.

// The level nearest to v for each half step: borders between levels lie on multiples of 1/2. Bin k holds v
// from k / 2 - 128 on.
struct Nearest {
  float level[512] = {}, index[512] = {};
};
constexpr Nearest make_nearest() {
  Nearest out;
  for (int k = 0; k < 512; ++k) {
    const int twice = 2 * (k - 256) + 1;  // four times the middle of the bin
    int best = 0;
    for (int i = 1; i < 16; ++i) {
      const int old = 4 * kIq4Levels[best] - twice, now = 4 * kIq4Levels[i] - twice;
      if (now * now < old * old) best = i;
    }
    out.level[k] = kIq4Levels[best];
    out.index[k] = static_cast<float>(best);
  }
  return out;
}
constexpr Nearest kNearest = make_nearest();

struct UnevenLevels {
  static Floats look_up(const float* table, Floats v) noexcept {
    const Ints bin = to_int(clamp(v, splat(-128), splat(127)) * 2 + 256);
    Floats out;
    for (size_t lane = 0; lane < kWidth; ++lane) out[lane] = table[bin[lane]];
    return out;
  }
  Floats operator()(Floats v) const noexcept { return look_up(kNearest.level, v); }
  Floats index(Floats v) const noexcept { return look_up(kNearest.index, v); }
};

// Levels that the extreme value may map to; see encode_legacy.cpp.
constexpr float kWhole[] = {-127, 113, -113, 89};
constexpr float kScan[] = {-135, 114, -120, -108, 120, -127, -132, -141, 108, -102};

// Low nibbles are values 0..15, high ones 16..31.
void put_nibbles(const int* q, Byte* out) noexcept {
  for (size_t j = 0; j < 16; ++j) out[j] = static_cast<Byte>(q[j] | q[j + 16] << 4);
}

void pack_iq4_xs(const SuperScales<32>& in, Byte* out) noexcept {
  std::memset(out, 0, 8);
  put_half(out, in.d);
  unsigned high = 0;
  for (size_t g = 0; g < 8; ++g) {
    const auto scale = static_cast<unsigned>(in.scale[g] + 32);
    high |= (scale >> 4) << 2 * g;
    out[4 + g / 2] |= static_cast<Byte>((scale & 15) << 4 * (g % 2));
    put_nibbles(in.q + 32 * g, out + 8 + 16 * g);
  }
  out[2] = static_cast<Byte>(high & 255);
  out[3] = static_cast<Byte>(high >> 8);
}

void encode_iq4_nl(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  const UnevenLevels levels;
  each_few<18>(in, n_block, importance, out, [&](const Values<32>& v, size_t count, Byte* to) {
    const Floats d = fit_half_scale(v, levels, kWhole, kScan, 2).d, inverse = reciprocal(d);
    int q[kWidth][32];
    for (size_t i = 0; i < 32; ++i) {
      const Floats index = levels.index(v.x[i] * inverse);
      for (size_t lane = 0; lane < kWidth; ++lane) q[lane][i] = static_cast<int>(index[lane]);
    }
    for (size_t lane = 0; lane < count; ++lane, to += 18) {
      put_half(to, d[lane]);
      put_nibbles(q[lane], to + 2);
    }
  });
}

void encode_iq4_xs(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  const UnevenLevels levels;
  for (size_t block = 0; block < n_block; ++block, in += 256, out += 136) {
    const Super<32> x(in, importance ? importance + 256 * block : nullptr);
    pack_iq4_xs(SuperScaleFit(x, levels, -32, 31, kScan).result(), out);
  }
}
