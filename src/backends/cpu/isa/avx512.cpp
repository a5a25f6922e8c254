// The only unit built with AVX-512 flags. It holds no other code.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"

namespace rwkv::cpu {
namespace avx512 {

#include "backends/cpu/simd/avx512.h"

#include "backends/cpu/kernels/math.inl.h"

#include "backends/cpu/kernels/linear.inl.h"
#include "backends/cpu/kernels/norm.inl.h"
#include "backends/cpu/kernels/wkv.inl.h"

}  // namespace avx512

constinit const KernelTable kAvx512Table = {
    "avx512",      kCpuAvx512 | kCpuAvx2 | kCpuFma | kCpuF16c, avx512::linear, avx512::epilogue, avx512::norm,
    avx512::mix, avx512::wkv4,                     avx512::wkv6,   avx512::wkv7};

}  // namespace rwkv::cpu
