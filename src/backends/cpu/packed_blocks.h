// Block-quantized matrices -> panels of 16 outputs, in the layouts of kernels/quant_formats.inl.h. The quants and
// scales are the file's own; only their places change.
#pragma once

#include <cstddef>

#include "backends/cpu/kernels.h"
#include "tensor/dtype.h"

namespace rwkv::cpu {

struct BlockPacker {
  DType dtype;
  Pack pack;
  size_t unit;        // values of k in a unit
  size_t unit_bytes;  // of 16 outputs
  // 16-bit activations by default: where 8 bits would show beside the weights' own rounding. K types have a
  // smaller error than ggml's 8 bits over 256 values already; Q4 has a much larger one of its own.
  bool wide;
  // Packs one unit. rows[lane] points at the row's block(s) of this unit, or is null past the last row.
  void (*pack_unit)(const std::byte* const* rows, std::byte* out) noexcept;
};

const BlockPacker* find_packer(DType dtype) noexcept;  // null for plain types

}  // namespace rwkv::cpu
