// Encoders of the K blocks without minima: Q3_K and Q6_K, 16 groups of 16 values.

constexpr float kScan3[] = {-4, -4.5f, -3.25f, -3.75f, -4.875f, -4.25f, -3, -2.25f, 4};
constexpr float kScan6[] = {-32, -31, -30, -29, -28, -27, -32.25f, -26, -31.75f, -25, 31};

void pack_q3_k(const SuperScales<16>& in, Byte* out) noexcept {
  std::memset(out, 0, 110);
  for (size_t j = 0; j < 256; ++j) {
    const auto q = static_cast<unsigned>(in.q[j]);
    out[32 + 32 * (j / 128) + j % 32] |= static_cast<Byte>((q & 3) << 2 * (j / 32 % 4));
    out[j % 32] |= static_cast<Byte>((q >> 2 & 1) << j / 32);
  }
  for (size_t g = 0; g < 16; ++g) {
    const auto scale = static_cast<unsigned>(in.scale[g] + 32);
    out[96 + g % 8] |= static_cast<Byte>((scale & 15) << 4 * (g / 8));
    out[104 + g % 4] |= static_cast<Byte>((scale >> 4 & 3) << 2 * (g / 4));
  }
  put_half(out + 108, in.d);
}

void pack_q6_k(const SuperScales<16>& in, Byte* out) noexcept {
  std::memset(out, 0, 210);
  for (size_t j = 0; j < 256; ++j) {
    const auto q = static_cast<unsigned>(in.q[j]);
    const size_t part = j / 128, quarter = j / 32 % 4, i = j % 32;
    out[64 * part + 32 * (quarter % 2) + i] |= static_cast<Byte>((q & 15) << 4 * (quarter / 2));
    out[128 + 32 * part + i] |= static_cast<Byte>((q >> 4 & 3) << 2 * quarter);
  }
  for (size_t g = 0; g < 16; ++g) out[192 + g] = static_cast<Byte>(in.scale[g]);
  put_half(out + 208, in.d);
}

void encode_q3_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  constexpr Integers levels{-4, 3};
  for (size_t block = 0; block < n_block; ++block, in += 256, out += 110) {
    const Super<16> x(in, importance ? importance + 256 * block : nullptr);
    pack_q3_k(SuperScaleFit(x, levels, -32, 31, kScan3).result(), out);
  }
}
void encode_q6_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  constexpr Integers levels{-32, 31};
  for (size_t block = 0; block < n_block; ++block, in += 256, out += 210) {
    const Super<16> x(in, importance ? importance + 256 * block : nullptr);
    pack_q6_k(SuperScaleFit(x, levels, -128, 127, kScan6).result(), out);
  }
}
