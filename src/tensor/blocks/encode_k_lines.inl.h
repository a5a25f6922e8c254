// Encoders of the K blocks with minima: Q2_K (16 groups of 16), Q4_K and Q5_K (8 groups of 32).

// Levels that the largest value may map to in groups without a minimum.
constexpr float kTop2[] = {3, 2.5f, 3.5f, 2};
constexpr float kTop4[] = {15, 14.5f, 15.5f, 14, 13};
constexpr float kTop5[] = {31, 30.5f, 31.5f, 30, 29, 28};

void pack_q2_k(const SuperLines<16>& in, Byte* out) noexcept {
  std::memset(out, 0, 84);
  for (size_t g = 0; g < 16; ++g) out[g] = static_cast<Byte>(in.scale[g] | in.min[g] << 4);
  for (size_t j = 0; j < 256; ++j)
    out[16 + 32 * (j / 128) + j % 32] |= static_cast<Byte>(in.q[j] << 2 * (j / 32 % 4));
  put_half(out + 80, in.d);
  put_half(out + 82, in.dmin);
}

// Q4_K, and Q5_K with its fifth bits.
template <bool kFifth>
void pack_q45_k(const SuperLines<32>& in, Byte* out) noexcept {
  constexpr size_t kNibbles = kFifth ? 48 : 16;
  std::memset(out, 0, kNibbles + 128);
  put_half(out, in.d);
  put_half(out + 2, in.dmin);
  for (size_t g = 0; g < 4; ++g) {  // six bits each; the upper groups' are torn apart
    out[4 + g] = static_cast<Byte>(in.scale[g] | in.scale[g + 4] >> 4 << 6);
    out[8 + g] = static_cast<Byte>(in.min[g] | in.min[g + 4] >> 4 << 6);
    out[12 + g] = static_cast<Byte>((in.scale[g + 4] & 15) | (in.min[g + 4] & 15) << 4);
  }
  for (size_t j = 0; j < 256; ++j) {
    out[kNibbles + 32 * (j / 64) + j % 32] |= static_cast<Byte>((in.q[j] & 15) << 4 * (j / 32 % 2));
    if (kFifth) out[16 + j % 32] |= static_cast<Byte>(in.q[j] >> 4 << j / 32);
  }
}

void encode_q2_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  for (size_t block = 0; block < n_block; ++block, in += 256, out += 84) {
    const Super<16> x(in, importance ? importance + 256 * block : nullptr);
    pack_q2_k(SuperLineFit(x, 3, 15, kInsets3, kTop2).result(), out);
  }
}
void encode_q4_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  for (size_t block = 0; block < n_block; ++block, in += 256, out += 144) {
    const Super<32> x(in, importance ? importance + 256 * block : nullptr);
    pack_q45_k<false>(SuperLineFit(x, 15, 63, kInsets15, kTop4).result(), out);
  }
}
void encode_q5_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept {
  for (size_t block = 0; block < n_block; ++block, in += 256, out += 176) {
    const Super<32> x(in, importance ? importance + 256 * block : nullptr);
    pack_q45_k<true>(SuperLineFit(x, 31, 63, kInsets31, kTop5).result(), out);
  }
}
