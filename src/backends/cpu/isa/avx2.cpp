// The only unit built with -mavx2 -mfma -mf16c. It holds no other code.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"

namespace rwkv::cpu {
namespace avx2 {

#include "backends/cpu/simd/avx2.h"

#include "backends/cpu/kernels/math.inl.h"

#include "backends/cpu/kernels/linear.inl.h"
#include "backends/cpu/kernels/norm.inl.h"
#include "backends/cpu/kernels/wkv.inl.h"

}  // namespace avx2

constinit const KernelTable kAvx2Table = {
    "avx2",      kCpuAvx2 | kCpuFma | kCpuF16c, avx2::linear, avx2::epilogue, avx2::norm,
    avx2::mix, avx2::wkv4,                     avx2::wkv6,   avx2::wkv7};

}  // namespace rwkv::cpu
