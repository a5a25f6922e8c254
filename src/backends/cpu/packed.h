// Weights in the layout that the kernels walk.
#pragma once

#include "backends/cpu/kernels.h"
#include "backends/cpu/packed_blocks.h"
#include "backends/cpu/packed_slices.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "plan/plan.h"

namespace rwkv::cpu {

// A matrix cut into panels of 16 outputs; rows past the end are zeros. F32, F16 and BF16 keep their values
// (F64 becomes F32), block types their quants and scales.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  // The arena must outlive it. With `sparse` input a matrix is stored by unit, if its type can.
  PackedMatrix(const Matrix& matrix, bool sparse, ThreadPool& pool, Arena& arena);

  size_t n_panel() const { return (matrix_.rows + kLanes - 1) / kLanes; }
  size_t cols() const { return matrix_.cols; }
  Pack pack() const { return pack_; }
  bool by_unit() const { return slices_ != nullptr; }
  size_t panel_bytes() const { return panel_bytes_; }  // by unit: bytes of a slice of kSliceOutputs
  const uint8_t* panels() const { return reinterpret_cast<const uint8_t*>(packed_); }
  // Block types multiply with quantized activations; of 16 bits where the weights have about 8.
  bool takes_blocks() const { return packer_ != nullptr; }
  bool prefers_wide() const { return packer_ && packer_->wide; }
  size_t bytes() const { return n_piece() * panel_bytes_; }

 private:
  // Panels, or slices.
  size_t n_piece() const { return slices_ ? (matrix_.rows + kSliceOutputs - 1) / kSliceOutputs : n_panel(); }
  void pack_slice(size_t slice);
  void pack_floats(size_t panel);
  void pack_blocks(size_t panel);
  Matrix matrix_;
  const BlockPacker* packer_ = nullptr;
  const SlicePacker* slices_ = nullptr;
  Pack pack_ = Pack::kF32;
  size_t panel_bytes_ = 0;
  std::byte* packed_ = nullptr;
};

// A vector padded with zeros to whole 16s.
class PackedVector {
 public:
  PackedVector() = default;
  explicit PackedVector(const Vector& values);
  const float* data() const { return values_.as<float>(); }  // null when the vector is absent

 private:
  AlignedBuffer values_;
};

}  // namespace rwkv::cpu
