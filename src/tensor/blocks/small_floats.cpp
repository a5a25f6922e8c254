// One, two and four bits or a trit a value under plain scales: Q1_0, Q2_0, TQ1_0, TQ2_0, MXFP4, NVFP4.
#include <algorithm>
#include <bit>

#include "tensor/blocks/quants.h"

namespace rwkv::blocks {
namespace {

// Twice the values of E2M1.
constexpr int8_t kFp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// n bytes: low nibbles are values 0..n-1, high nibbles n..2n-1.
void fp4(const Byte* nibbles, size_t n, int8_t* out) noexcept {
  for (size_t j = 0; j < n; ++j) {
    out[j] = kFp4[u8(nibbles + j) & 15];
    out[j + n] = kFp4[u8(nibbles + j) >> 4];
  }
}

// Half of a UE4M3 scale: exponent bias 7, no sign; 0 and 127 mean 0.
float half_of_ue4m3(unsigned byte) noexcept {
  if (byte == 0 || byte == 127) return 0;
  const unsigned exponent = byte >> 3 & 15, mantissa = byte & 7;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1p-10f;
  return std::bit_cast<float>((exponent + 127 - 7 - 1) << 23 | mantissa << 20);
}

// `count` trits of each of n bytes, all first trits before all second ones: byte = trits as a fraction of
// 243, times 256.
int8_t* trits(const Byte* bytes, size_t n, unsigned count, int8_t* out) noexcept {
  for (unsigned k = 0, power = 1; k < count; ++k, power *= 3)
    for (size_t i = 0; i < n; ++i)
      *out++ = static_cast<int8_t>(static_cast<int>((u8(bytes + i) * power & 255) * 3 >> 8) - 1);
  return out;
}

}  // namespace

void unpack_q1_0(const Byte* block, Quants& out) noexcept {
  std::fill_n(out.scale, 8, half(block));
  for (unsigned j = 0; j < 128; ++j) out.q[j] = u8(block + 2 + j / 8) >> j % 8 & 1 ? 1 : -1;
}
void unpack_q2_0(const Byte* block, Quants& out) noexcept {
  std::fill_n(out.scale, 4, half(block));
  for (unsigned j = 0; j < 64; ++j)
    out.q[j] = static_cast<int8_t>(static_cast<int>(u8(block + 2 + j / 4) >> 2 * (j % 4) & 3) - 1);
}
void unpack_mxfp4(const Byte* block, Quants& out) noexcept {
  const unsigned e = u8(block);  // 2^(e - 128); the first two are subnormal
  std::fill_n(out.scale, 2, std::bit_cast<float>(e < 2 ? 0x200000u << e : (e - 1) << 23));
  fp4(block + 1, 16, out.q);
}
void unpack_nvfp4(const Byte* block, Quants& out) noexcept {
  for (unsigned s = 0; s < 4; ++s) {
    out.scale[s] = half_of_ue4m3(u8(block + s));
    fp4(block + 4 + 8 * s, 8, out.q + 16 * s);
  }
}
void unpack_tq1_0(const Byte* block, Quants& out) noexcept {
  std::fill_n(out.scale, 16, half(block + 52));
  trits(block + 48, 4, 4, trits(block + 32, 16, 5, trits(block, 32, 5, out.q)));
}
void unpack_tq2_0(const Byte* block, Quants& out) noexcept {
  std::fill_n(out.scale, 16, half(block + 64));
  for (unsigned j = 0; j < 256; ++j)
    out.q[j] = static_cast<int8_t>(
        static_cast<int>(u8(block + 32 * (j / 128) + j % 32) >> 2 * (j / 32 % 4) & 3) - 1);
}

}  // namespace rwkv::blocks
