// The encoders for AVX2's vectors of eight floats. What is included above the pragma stays without AVX2: other units
// share its inline functions.
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <span>

#include "base/cpu.h"
#include "tensor/blocks/encoders.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,f16c")
#endif
namespace rwkv::blocks::eight {

constexpr size_t kWidth = 8;
void from_f16(const Byte* in, size_t n_block, float* out) noexcept {
  size_t i = 0;
  for (; i + kWidth <= n_block; i += kWidth)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 2 * i))));
  for (; i < n_block; ++i) out[i] = half(in + 2 * i);
}
#include "tensor/blocks/encoders.inl.h"

}  // namespace rwkv::blocks::eight
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace rwkv::blocks {

const Encoders* encoders_of_eight() noexcept {
  constexpr uint32_t kNeeds = kCpuAvx2 | kCpuF16c;
  return (cpu_bits() & kNeeds) == kNeeds ? &eight::kEncoders : nullptr;
}

}  // namespace rwkv::blocks
