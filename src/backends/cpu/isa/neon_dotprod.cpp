// The only unit built with +dotprod (Cortex-A76, Neoverse N1, Apple M1 and later). It holds no other code.
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"

namespace rwkv::cpu {
namespace neon_dotprod {

#include "backends/cpu/simd/act_planes.h"
#include "backends/cpu/simd/neon.h"
#include "backends/cpu/simd/neon_sdot.h"

#include "backends/cpu/kernels/math.inl.h"

#include "backends/cpu/kernels/linear.inl.h"
#include "backends/cpu/kernels/quant_formats.inl.h"

#include "backends/cpu/kernels/linear_quant.inl.h"
#include "backends/cpu/kernels/linear_slices.inl.h"
#include "backends/cpu/kernels/linear_sparse.inl.h"

#include "backends/cpu/kernels/bounds.inl.h"
#include "backends/cpu/kernels/dispatch.inl.h"
#include "backends/cpu/kernels/norm.inl.h"
#include "backends/cpu/kernels/quantize.inl.h"
#include "backends/cpu/kernels/wkv.inl.h"

}  // namespace neon_dotprod

constinit const KernelTable kNeonDotprodTable = {
    .name = "neon_dotprod",
    .needs = kCpuNeon | kCpuDotprod,
    .act_bytes = {neon_dotprod::act_bytes(false), neon_dotprod::act_bytes(true)},
    .linear = neon_dotprod::linear,
    .quantize = neon_dotprod::quantize,
    .epilogue = neon_dotprod::epilogue,
    .norm = neon_dotprod::norm,
    .mix = neon_dotprod::mix,
    .wkv4 = neon_dotprod::wkv4,
    .wkv6 = neon_dotprod::wkv6,
    .wkv7 = neon_dotprod::wkv7,
    .fma_loop = neon_dotprod::fma_loop,
    .dot_loop = neon_dotprod::dot_loop,
    .sweep = neon_dotprod::sweep,
};

}  // namespace rwkv::cpu
