// Processors without AVX2: no encoders for vectors of eight floats.
#include "tensor/blocks/encoders.h"

namespace rwkv::blocks {

const Encoders* encoders_of_eight() noexcept { return nullptr; }

}  // namespace rwkv::blocks
