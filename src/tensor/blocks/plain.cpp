// The types of one value a block.
#include <algorithm>

#include "tensor/blocks/blocks.h"

namespace rwkv::blocks {

void decode_f32(const Byte* in, size_t n_block, float* out) noexcept {
  std::memcpy(out, in, n_block * sizeof(float));
}
void decode_bf16(const Byte* in, size_t n_block, float* out) noexcept {
  for (size_t i = 0; i < n_block; ++i) out[i] = bf16_to_f32(load<uint16_t>(in + 2 * i));
}
void decode_f64(const Byte* in, size_t n_block, float* out) noexcept {
  for (size_t i = 0; i < n_block; ++i) out[i] = static_cast<float>(load<double>(in + 8 * i));
}

void encode_f32(const float* in, size_t n_block, const float*, Byte* out) noexcept {
  std::memcpy(out, in, n_block * sizeof(float));
}
void encode_f16(const float* in, size_t n_block, const float*, Byte* out) noexcept {
  constexpr float kLargest = 65504;
  for (size_t i = 0; i < n_block; ++i) {
    const uint16_t half = f32_to_f16(std::clamp(in[i], -kLargest, kLargest));
    std::memcpy(out + 2 * i, &half, 2);
  }
}
void encode_bf16(const float* in, size_t n_block, const float*, Byte* out) noexcept {
  for (size_t i = 0; i < n_block; ++i) {
    const uint16_t half = f32_to_bf16(in[i]);
    std::memcpy(out + 2 * i, &half, 2);
  }
}

}  // namespace rwkv::blocks
