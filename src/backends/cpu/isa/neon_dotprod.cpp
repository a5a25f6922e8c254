// Built with +dotprod (Cortex-A76, Neoverse N1, Apple M1 and later), and holds no other code.
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/slice_unit.h"

namespace rwkv::cpu {
namespace neon_dotprod {

#include "backends/cpu/simd/neon.h"

#include "backends/cpu/simd/act_planes.h"
#include "backends/cpu/simd/neon_sdot.h"

#include "backends/cpu/kernels/table.inl.h"

}  // namespace neon_dotprod

constinit const KernelTable kNeonDotprodTable = neon_dotprod::kernel_table("neon_dotprod", kCpuNeon | kCpuDotprod);

}  // namespace rwkv::cpu
