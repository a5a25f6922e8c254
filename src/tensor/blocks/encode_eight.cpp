// The encoders for AVX2's vectors of eight floats. What is included above the pragma stays without AVX2: other units
// share its inline functions.
#include <cmath>
#include <cstring>
#include <span>

#include "base/cpu.h"
#include "tensor/blocks/encoders.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
namespace rwkv::blocks::eight {

constexpr size_t kWidth = 8;
#include "tensor/blocks/encoders.inl.h"

}  // namespace rwkv::blocks::eight
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace rwkv::blocks {

const Encoders* encoders_of_eight() noexcept { return cpu_bits() & kCpuAvx2 ? &eight::kEncoders : nullptr; }

}  // namespace rwkv::blocks
