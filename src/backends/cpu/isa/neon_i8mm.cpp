// Built with +dotprod+i8mm (Neoverse V1, Apple M2 and later), and holds no other code.
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/slice_unit.h"

namespace rwkv::cpu {
namespace neon_i8mm {

#include "backends/cpu/simd/neon.h"

#include "backends/cpu/simd/act_planes.h"
#include "backends/cpu/simd/neon_usdot.h"

#include "backends/cpu/kernels/table.inl.h"

}  // namespace neon_i8mm

constinit const KernelTable kNeonI8mmTable = neon_i8mm::kernel_table("neon_i8mm", kCpuNeon | kCpuDotprod | kCpuI8mm);

}  // namespace rwkv::cpu
