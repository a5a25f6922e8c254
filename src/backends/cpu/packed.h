// Weights in the layout that the kernels walk.
#pragma once

#include "backends/cpu/kernels.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "plan/plan.h"

namespace rwkv::cpu {

// A matrix cut into panels of 16 outputs; rows past the end are zeros. F32, F16, BF16 (and F64, as F32)
// are packed once; block types stay as the file has them and are decoded a panel at a time.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(const Matrix& matrix, ThreadPool& pool);

  size_t n_panel() const { return (matrix_.rows + kLanes - 1) / kLanes; }
  size_t cols() const { return matrix_.cols; }
  bool is_packed() const { return packed_.size() > 0; }
  Pack pack() const { return pack_; }
  size_t panel_bytes() const { return panel_bytes_; }
  const uint8_t* panels() const { return packed_.as<uint8_t>(); }
  // Decodes panel `panel` of a matrix that is not packed: out [cols][16] f32, scratch [16 * 256] floats.
  void unpack(size_t panel, float* out, float* scratch) const;
  size_t bytes() const { return is_packed() ? packed_.size() : matrix_.bytes.size(); }

 private:
  void pack_panel(size_t panel);
  Matrix matrix_;
  Pack pack_ = Pack::kF32;
  size_t panel_bytes_ = 0;
  AlignedBuffer packed_;
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
