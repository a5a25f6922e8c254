// The NEON kernels (baseline of AArch64).
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/slice_unit.h"

namespace rwkv::cpu {
namespace neon {

#include "backends/cpu/simd/act_words.h"
#include "backends/cpu/simd/neon.h"
#include "backends/cpu/simd/neon_mull.h"

#include "backends/cpu/kernels/table.inl.h"

}  // namespace neon

constinit const KernelTable kNeonTable = neon::kernel_table("neon", kCpuNeon);

}  // namespace rwkv::cpu
