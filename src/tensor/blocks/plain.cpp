// The types of one value a block.
#include "tensor/blocks/blocks.h"

namespace rwkv::blocks {

void decode_f32(const Byte* in, size_t n_block, float* out) noexcept {
  std::memcpy(out, in, n_block * sizeof(float));
}
void decode_f16(const Byte* in, size_t n_block, float* out) noexcept {
  for (size_t i = 0; i < n_block; ++i) out[i] = half(in + 2 * i);
}
void decode_bf16(const Byte* in, size_t n_block, float* out) noexcept {
  for (size_t i = 0; i < n_block; ++i) out[i] = bf16_to_f32(load<uint16_t>(in + 2 * i));
}
void decode_f64(const Byte* in, size_t n_block, float* out) noexcept {
  for (size_t i = 0; i < n_block; ++i) out[i] = static_cast<float>(load<double>(in + 8 * i));
}

}  // namespace rwkv::blocks
