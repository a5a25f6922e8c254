// The encoders for vectors of four floats, which every machine has.
#include <cmath>
#include <cstring>
#include <span>

#include "tensor/blocks/encoders.h"

namespace rwkv::blocks {
namespace four {

constexpr size_t kWidth = 4;
#include "tensor/blocks/encoders.inl.h"

}  // namespace four

const Encoders& encoders_of_four() noexcept { return four::kEncoders; }

}  // namespace rwkv::blocks
