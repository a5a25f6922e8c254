// The NEON kernels (baseline of AArch64).
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"

namespace rwkv::cpu {
namespace neon {

#include "backends/cpu/simd/neon.h"

#include "backends/cpu/kernels/math.inl.h"

#include "backends/cpu/kernels/linear.inl.h"
#include "backends/cpu/kernels/norm.inl.h"
#include "backends/cpu/kernels/wkv.inl.h"

}  // namespace neon

constinit const KernelTable kNeonTable = {
    "neon",      kCpuNeon, neon::linear, neon::epilogue, neon::norm,
    neon::mix, neon::wkv4,                     neon::wkv6,   neon::wkv7};

}  // namespace rwkv::cpu
