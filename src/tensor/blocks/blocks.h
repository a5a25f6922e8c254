// Decoders of the element types, one function each: n_block blocks -> f32, with ggml's arithmetic, bit for
// bit. Layouts: docs/formats.md. `in` need not be aligned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/half.h"

namespace rwkv::blocks {

using Byte = std::byte;

inline unsigned u8(const Byte* p) noexcept { return std::to_integer<unsigned>(*p); }
inline int i8(const Byte* p) noexcept { return static_cast<int8_t>(u8(p)); }
template <typename T>
inline T load(const Byte* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
inline float half(const Byte* p) noexcept { return f16_to_f32(load<uint16_t>(p)); }

void decode_f32(const Byte* in, size_t n_block, float* out) noexcept;
void decode_f16(const Byte* in, size_t n_block, float* out) noexcept;
void decode_bf16(const Byte* in, size_t n_block, float* out) noexcept;
void decode_f64(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q4_0(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q4_1(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q5_0(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q5_1(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q8_0(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q2_k(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q3_k(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q4_k(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q5_k(const Byte* in, size_t n_block, float* out) noexcept;
void decode_q6_k(const Byte* in, size_t n_block, float* out) noexcept;
void decode_iq4_nl(const Byte* in, size_t n_block, float* out) noexcept;
void decode_iq4_xs(const Byte* in, size_t n_block, float* out) noexcept;

// Encoders: see DTypeInfo::encode. F16 and BF16 round to nearest even; what is too large for F16 becomes the
// largest F16.
void encode_f32(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_f16(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_bf16(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q4_0(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q4_1(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q5_0(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q5_1(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q8_0(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q2_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q3_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q4_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q5_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_q6_k(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_iq4_nl(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;
void encode_iq4_xs(const float* in, size_t n_block, const float* importance, Byte* out) noexcept;

// The levels of IQ4_NL and IQ4_XS.
inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

// Parts of the K blocks that packers need as well.
struct ScaleMin {
  unsigned scale, min;
};
// Q4_K, Q5_K: six bits each of scale and minimum for group j (0..7), in 12 bytes.
ScaleMin k_scale_min(const Byte* s, unsigned j) noexcept;
int q3_k_scale(const Byte* s, unsigned j) noexcept;         // group j (0..15), -32..31, in 12 bytes
int iq4_xs_scale(const Byte* block, unsigned j) noexcept;   // group j (0..7), -32..31

}  // namespace rwkv::blocks
