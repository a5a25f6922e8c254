// The scalar kernels: no special instruction, but a fused multiply-add (std's fmaf) is part of the arithmetic.
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"

namespace rwkv::cpu {
namespace scalar {

#include "backends/cpu/simd/scalar.h"

#include "backends/cpu/kernels/math.inl.h"

#include "backends/cpu/kernels/linear.inl.h"
#include "backends/cpu/kernels/norm.inl.h"
#include "backends/cpu/kernels/wkv.inl.h"

}  // namespace scalar

constinit const KernelTable kScalarTable = {
    "scalar",      0, scalar::linear, scalar::epilogue, scalar::norm,
    scalar::mix, scalar::wkv4,                     scalar::wkv6,   scalar::wkv7};

}  // namespace rwkv::cpu
