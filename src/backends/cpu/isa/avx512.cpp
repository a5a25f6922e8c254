// The only unit built with AVX-512 and VNNI flags. It holds no other code.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"

namespace rwkv::cpu {
namespace avx512 {

#include "backends/cpu/simd/act_planes.h"
#include "backends/cpu/simd/avx512.h"
#include "backends/cpu/simd/whole_parts.h"

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

}  // namespace avx512

constinit const KernelTable kAvx512Table = {
    .name = "avx512",
    .needs = kCpuAvx512 | kCpuAvx512Vnni | kCpuAvx2 | kCpuFma | kCpuF16c,
    .act_bytes = {avx512::act_bytes(false), avx512::act_bytes(true)},
    .linear = avx512::linear,
    .quantize = avx512::quantize,
    .epilogue = avx512::epilogue,
    .norm = avx512::norm,
    .mix = avx512::mix,
    .wkv4 = avx512::wkv4,
    .wkv6 = avx512::wkv6,
    .wkv7 = avx512::wkv7,
    .fma_loop = avx512::fma_loop,
    .dot_loop = avx512::dot_loop,
    .sweep = avx512::sweep,
};

}  // namespace rwkv::cpu
