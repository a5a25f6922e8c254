#include "backends/cpu/packed.h"

#include <algorithm>
#include <cstring>

namespace rwkv::cpu {
namespace {

constexpr size_t kUnpackCols = 256;  // whole blocks of every type

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

PackedMatrix::PackedMatrix(const Matrix& matrix, ThreadPool& pool) : matrix_(matrix) {
  switch (matrix.dtype) {
    case DType::kF32:
    case DType::kF64:
      pack_ = Pack::kF32;
      panel_bytes_ = matrix.cols * kLanes * sizeof(float);
      break;
    case DType::kF16:
      pack_ = Pack::kF16;
      panel_bytes_ = matrix.cols * kLanes * sizeof(uint16_t);
      break;
    case DType::kBF16:
      pack_ = Pack::kBF16;
      panel_bytes_ = round_up(matrix.cols, 2) * kLanes * sizeof(uint16_t);
      break;
    default:
      panel_bytes_ = matrix.cols * kLanes * sizeof(float);  // of a decoded panel
      return;
  }
  packed_ = AlignedBuffer(n_panel() * panel_bytes_);
  pool.run(n_panel(), [&](size_t panel, size_t) { pack_panel(panel); });
}

void PackedMatrix::pack_panel(size_t panel) {
  const size_t first = panel * kLanes, cols = matrix_.cols;
  const size_t count = std::min(kLanes, matrix_.rows - first);
  std::byte* out = packed_.data() + panel * panel_bytes_;
  const size_t width = info(matrix_.dtype).block_bytes;
  for (size_t lane = 0; lane < count; ++lane) {
    const std::byte* row = matrix_.bytes.data() + (first + lane) * cols * width;
    for (size_t k = 0; k < cols; ++k) {
      const std::byte* value = row + k * width;
      if (matrix_.dtype == DType::kF64) {
        float narrow;
        info(DType::kF64).decode(value, 1, &narrow);
        std::memcpy(out + (k * kLanes + lane) * 4, &narrow, 4);
      } else if (matrix_.dtype == DType::kF32) {
        std::memcpy(out + (k * kLanes + lane) * 4, value, 4);
      } else if (matrix_.dtype == DType::kF16) {
        std::memcpy(out + (k * kLanes + lane) * 2, value, 2);
      } else {
        std::memcpy(out + ((k / 2 * kLanes + lane) * 2 + k % 2) * 2, value, 2);
      }
    }
  }
}

void PackedMatrix::unpack(size_t panel, float* out, float* scratch) const {
  const DTypeInfo& type = info(matrix_.dtype);
  const size_t first = panel * kLanes, count = std::min(kLanes, matrix_.rows - first);
  const size_t row_bytes = bytes_of(matrix_.dtype, matrix_.cols);
  std::fill(scratch + count * kUnpackCols, scratch + kLanes * kUnpackCols, 0.0f);
  for (size_t k = 0; k < matrix_.cols; k += kUnpackCols) {
    const size_t n = std::min(kUnpackCols, matrix_.cols - k);
    for (size_t lane = 0; lane < count; ++lane)
      type.decode(matrix_.bytes.data() + (first + lane) * row_bytes + bytes_of(matrix_.dtype, k),
                  n / type.block_values, scratch + lane * kUnpackCols);
    for (size_t i = 0; i < n; ++i)
      for (size_t lane = 0; lane < kLanes; ++lane)
        out[(k + i) * kLanes + lane] = scratch[lane * kUnpackCols + i];
  }
}

PackedVector::PackedVector(const Vector& values)
    : values_(round_up(values.size(), kLanes) * sizeof(float)) {
  if (!values.empty()) std::memcpy(values_.data(), values.data(), values.size() * sizeof(float));
}

}  // namespace rwkv::cpu
