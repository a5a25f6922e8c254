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
#include "backends/cpu/kernels/quant_formats.inl.h"

#include "backends/cpu/kernels/linear_quant.inl.h"
#include "backends/cpu/kernels/linear_slices.inl.h"
#include "backends/cpu/kernels/linear_sparse.inl.h"

#include "backends/cpu/kernels/bounds.inl.h"
#include "backends/cpu/kernels/dispatch.inl.h"
#include "backends/cpu/kernels/norm.inl.h"
#include "backends/cpu/kernels/quantize.inl.h"
#include "backends/cpu/kernels/wkv.inl.h"

}  // namespace avx2

constinit const KernelTable kAvx2Table = {
    .name = "avx2",
    .needs = kCpuAvx2 | kCpuFma | kCpuF16c,
    .act_bytes = {avx2::act_bytes(false), avx2::act_bytes(true)},
    .linear = avx2::linear,
    .quantize = avx2::quantize,
    .epilogue = avx2::epilogue,
    .norm = avx2::norm,
    .mix = avx2::mix,
    .wkv4 = avx2::wkv4,
    .wkv6 = avx2::wkv6,
    .wkv7 = avx2::wkv7,
    .fma_loop = avx2::fma_loop,
    .dot_loop = avx2::dot_loop,
    .sweep = avx2::sweep,
};

}  // namespace rwkv::cpu
