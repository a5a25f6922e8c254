// The scalar kernels: no special instruction, but a fused multiply-add (fmaf) is part of the arithmetic.
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"

namespace rwkv::cpu {
namespace scalar {

#include "backends/cpu/simd/act_words.h"
#include "backends/cpu/simd/scalar.h"
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

}  // namespace scalar

constinit const KernelTable kScalarTable = {
    .name = "scalar",
    .needs = 0,
    .act_bytes = {scalar::act_bytes(false), scalar::act_bytes(true)},
    .linear = scalar::linear,
    .quantize = scalar::quantize,
    .epilogue = scalar::epilogue,
    .norm = scalar::norm,
    .mix = scalar::mix,
    .wkv4 = scalar::wkv4,
    .wkv6 = scalar::wkv6,
    .wkv7 = scalar::wkv7,
    .fma_loop = scalar::fma_loop,
    .dot_loop = scalar::dot_loop,
    .sweep = scalar::sweep,
};

}  // namespace rwkv::cpu
