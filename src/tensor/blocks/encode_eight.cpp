// The encoders for AVX2's vectors of eight floats. What is included above the pragma stays without AVX2: other units
// share its inline functions.
#include <cmath>
#include <cstring>
#include <span>

#include "base/cpu.h"
#include "tensor/blocks/encoders.h"

#pragma GCC push_options
#pragma GCC target("avx2")
namespace rwkv::blocks::eight {

constexpr size_t kWidth = 8;
#include "tensor/blocks/encoders.inl.h"

}  // namespace rwkv::blocks::eight
#pragma GCC pop_options

namespace rwkv::blocks {

const Encoders* encoders_of_eight() noexcept { return cpu_bits() & kCpuAvx2 ? &eight::kEncoders : nullptr; }

}  // namespace rwkv::blocks
