// The NEON kernels (baseline of AArch64).
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"

namespace rwkv::cpu {
namespace neon {

#include "backends/cpu/simd/act_words.h"
#include "backends/cpu/simd/neon.h"
#include "backends/cpu/simd/neon_mull.h"

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

}  // namespace neon

constinit const KernelTable kNeonTable = {
    .name = "neon",
    .needs = kCpuNeon,
    .act_bytes = {neon::act_bytes(false), neon::act_bytes(true)},
    .linear = neon::linear,
    .quantize = neon::quantize,
    .epilogue = neon::epilogue,
    .norm = neon::norm,
    .mix = neon::mix,
    .wkv4 = neon::wkv4,
    .wkv6 = neon::wkv6,
    .wkv7 = neon::wkv7,
    .fma_loop = neon::fma_loop,
    .dot_loop = neon::dot_loop,
    .sweep = neon::sweep,
};

}  // namespace rwkv::cpu
