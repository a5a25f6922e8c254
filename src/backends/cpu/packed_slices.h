// Block-quantized matrices <-> slices of 128 outputs by unit, in the layouts of kernels/linear_slices.inl.h. The quants
// and scales are the file's own; only their places change.
#pragma once

#include "backends/cpu/kernels.h"
#include "tensor/dtype.h"

namespace rwkv::cpu {

struct SlicePacker {
  DType dtype;
  Pack pack;
  // Values of k, and their bytes of 128 outputs: heads (and tails), which of all units come first in a slice, and rows.
  size_t unit, head_bytes, row_bytes;
  // Adds output `o` of one unit, whose block is `in`; `head` and `rows` were all zeros before the first.
  void (*pack_output)(const std::byte* in, size_t o, std::byte* head, std::byte* rows) noexcept;
  void (*unpack_output)(const std::byte* head, const std::byte* rows, size_t o, std::byte* block) noexcept;  // the reverse
};

const SlicePacker* find_slice_packer(DType dtype) noexcept;  // null: not of blocks, or not stored by unit

}  // namespace rwkv::cpu
