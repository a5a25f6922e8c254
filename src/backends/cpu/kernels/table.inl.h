// Every kernel, and the table that a unit in isa/ makes of them. Included inside a namespace, after the files of simd/.
#include "backends/cpu/kernels/math.inl.h"

#include "backends/cpu/kernels/linear.inl.h"
#include "backends/cpu/kernels/linear_bf16.inl.h"
#include "backends/cpu/kernels/cut.inl.h"
#include "backends/cpu/kernels/plain_panel.inl.h"
#include "backends/cpu/kernels/quant_formats.inl.h"

#include "backends/cpu/kernels/linear_quant.inl.h"
#include "backends/cpu/kernels/linear_plain.inl.h"
#include "backends/cpu/kernels/linear_slices.inl.h"
#include "backends/cpu/kernels/linear_sparse.inl.h"

#include "backends/cpu/kernels/bounds.inl.h"
#include "backends/cpu/kernels/dispatch.inl.h"
#include "backends/cpu/kernels/norm.inl.h"
#include "backends/cpu/kernels/quantize.inl.h"
#include "backends/cpu/kernels/wkv.inl.h"

// Never runs: what it returns is a constant, or choosing among tables would need the instructions of all of them.
consteval KernelTable kernel_table(const char* name, uint32_t needs) {
  return {
      .name = name,
      .needs = needs,
      .act_bytes = {act_bytes(false), act_bytes(true)},
      .act_groups = kActGroups,
      .linear = linear,
      .quantize = quantize,
      .epilogue = epilogue,
      .norm = norm,
      .mix = mix,
      .wkv4 = wkv4,
      .wkv6 = wkv6,
      .wkv7 = wkv7,
      .fma_loop = fma_loop,
      .dot_loop = dot_loop,
      .sweep = sweep,
  };
}
