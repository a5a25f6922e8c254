// Built with -mavx2 -mfma -mf16c, and holds no other code.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/slice_unit.h"

namespace rwkv::cpu {
namespace avx2 {

#include "backends/cpu/simd/avx2.h"

#include "backends/cpu/kernels/linear_short.inl.h"

#include "backends/cpu/kernels/table.inl.h"

}  // namespace avx2

constinit const KernelTable kAvx2Table = avx2::kernel_table("avx2", kCpuAvx2 | kCpuFma | kCpuF16c);

}  // namespace rwkv::cpu
