// The only unit built with +i8mm (Neoverse V1, Apple M2 and later). It holds no other code.
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"

namespace rwkv::cpu {
namespace neon_i8mm {

#include "backends/cpu/simd/act_planes.h"
#include "backends/cpu/simd/neon.h"
#include "backends/cpu/simd/neon_usdot.h"

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

}  // namespace neon_i8mm

constinit const KernelTable kNeonI8mmTable = {
    .name = "neon_i8mm",
    .needs = kCpuNeon | kCpuI8mm,
    .act_bytes = {neon_i8mm::act_bytes(false), neon_i8mm::act_bytes(true)},
    .linear = neon_i8mm::linear,
    .quantize = neon_i8mm::quantize,
    .epilogue = neon_i8mm::epilogue,
    .norm = neon_i8mm::norm,
    .mix = neon_i8mm::mix,
    .wkv4 = neon_i8mm::wkv4,
    .wkv6 = neon_i8mm::wkv6,
    .wkv7 = neon_i8mm::wkv7,
    .fma_loop = neon_i8mm::fma_loop,
    .dot_loop = neon_i8mm::dot_loop,
    .sweep = neon_i8mm::sweep,
};

}  // namespace rwkv::cpu
