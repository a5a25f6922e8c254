// The scalar kernels: no special instruction, but a fused multiply-add (fmaf) is part of the arithmetic.
#include <math.h>
#include <string.h>

#include "backends/cpu/isa/needs.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/slice_unit.h"

namespace rwkv::cpu {
namespace scalar {

#include "backends/cpu/simd/act_words.h"
#include "backends/cpu/simd/scalar.h"
#include "backends/cpu/simd/whole_parts.h"

#include "backends/cpu/kernels/table.inl.h"

}  // namespace scalar

constinit const KernelTable kScalarTable = scalar::kernel_table("scalar", 0);

}  // namespace rwkv::cpu
