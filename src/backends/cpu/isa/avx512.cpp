// Built with AVX-512 and VNNI flags, and holds no other code.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/slice_unit.h"

namespace rwkv::cpu {
namespace avx512 {

#include "backends/cpu/simd/avx512.h"

#include "backends/cpu/simd/act_planes.h"
#include "backends/cpu/simd/whole_parts.h"

#include "backends/cpu/kernels/table.inl.h"

}  // namespace avx512

constinit const KernelTable kAvx512Table = avx512::kernel_table("avx512", kCpuAvx512 | kCpuAvx512Vnni | kCpuAvx2 | kCpuFma | kCpuF16c);

}  // namespace rwkv::cpu
