// The encoders for vectors of four floats, which every machine has.
#include <cmath>
#include <cstring>
#include <span>

#include "tensor/blocks/encoders.h"

namespace rwkv::blocks {
namespace four {

constexpr size_t kWidth = 4;
void from_f16(const Byte* in, size_t n_block, float* out) noexcept {
  for (size_t i = 0; i < n_block; ++i) out[i] = half(in + 2 * i);
}
#include "tensor/blocks/encoders.inl.h"

}  // namespace four

const Encoders& encoders_of_four() noexcept { return four::kEncoders; }

}  // namespace rwkv::blocks
