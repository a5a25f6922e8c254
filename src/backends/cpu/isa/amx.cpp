// The only unit with AMX: many rows times blocks, and BF16 times BF16. All else is AVX-512's (the same flags build it).
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "backends/cpu/kernels.h"
#include "backends/cpu/slice_unit.h"

namespace rwkv::cpu {
namespace amx {

#include "backends/cpu/simd/avx512.h"

#include "backends/cpu/simd/act_planes.h"
#include "backends/cpu/simd/whole_parts.h"

#include "backends/cpu/simd/tile_chain.h"

#include "backends/cpu/simd/amx_tiles.h"

#include "backends/cpu/kernels/math.inl.h"
#include "backends/cpu/kernels/cut.inl.h"
#include "backends/cpu/kernels/plain_panel.inl.h"
#include "backends/cpu/kernels/quant_formats.inl.h"

#include "backends/cpu/kernels/linear_bf16_tiles.inl.h"
#include "backends/cpu/kernels/linear_tiles.inl.h"

#include "backends/cpu/kernels/linear_slices.inl.h"

#include "backends/cpu/kernels/dispatch.inl.h"

}  // namespace amx

// No table: making one would run this unit's instructions on processors that lack them.
void amx_linear(const LinearArgs& a) {
  if (a.x_bf16) amx::linear_bf16(a);
  else if (a.pack <= kLastFloat || a.rows < amx::kFewTileRows) kAvx512Table.linear(a);
  else amx::linear_blocks(a);
}
double amx_dot_loop(size_t n, bool, Pack) { return amx::tile_loop(n); }

}  // namespace rwkv::cpu
