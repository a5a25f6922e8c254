#include "backends/cpu/packed.h"

#include <algorithm>
#include <cstring>

namespace rwkv::cpu {
namespace {

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

PackedMatrix::PackedMatrix(const Matrix& matrix, bool sparse, ThreadPool& pool, Arena& arena)
    : matrix_(matrix),
      packer_(find_packer(matrix.dtype)),
      slices_(sparse ? find_slice_packer(matrix.dtype) : nullptr) {
  if (slices_) {
    pack_ = slices_->pack;
    panel_bytes_ = matrix.cols / 32 * slices_->unit_bytes;
  } else if (packer_) {
    pack_ = packer_->pack;
    panel_bytes_ = matrix.cols / packer_->unit * packer_->unit_bytes;
  } else if (matrix.dtype == DType::kF16 || matrix.dtype == DType::kBF16) {
    pack_ = matrix.dtype == DType::kF16 ? Pack::kF16 : Pack::kBF16;
    panel_bytes_ = round_up(matrix.cols, 2) * kLanes * sizeof(uint16_t);
  } else {
    panel_bytes_ = matrix.cols * kLanes * sizeof(float);
  }
  packed_ = arena.allocate(bytes());
  pool.run(n_piece(), [&](size_t piece, size_t) {
    if (slices_) pack_slice(piece);
    else if (packer_) pack_blocks(piece);
    else pack_floats(piece);
  });
}

void PackedMatrix::pack_slice(size_t slice) {
  const size_t first = slice * kSliceOutputs, row_bytes = bytes_of(matrix_.dtype, matrix_.cols);
  const size_t count = std::min(kSliceOutputs, matrix_.rows - first);
  std::byte* out = packed_ + slice * panel_bytes_;
  for (size_t k = 0; k < matrix_.cols; k += 32, out += slices_->unit_bytes)
    for (size_t o = 0; o < count; ++o)
      slices_->pack_output(matrix_.bytes.data() + (first + o) * row_bytes + bytes_of(matrix_.dtype, k), o, out);
}

void PackedMatrix::pack_blocks(size_t panel) {
  const size_t first = panel * kLanes, row_bytes = bytes_of(matrix_.dtype, matrix_.cols);
  const std::byte* rows[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane)
    rows[lane] = first + lane < matrix_.rows ? matrix_.bytes.data() + (first + lane) * row_bytes : nullptr;
  std::byte* out = packed_ + panel * panel_bytes_;
  for (size_t k = 0; k < matrix_.cols; k += packer_->unit, out += packer_->unit_bytes) {
    packer_->pack_unit(rows, out);
    for (const std::byte*& row : rows)
      if (row) row += bytes_of(matrix_.dtype, packer_->unit);
  }
}

void PackedMatrix::pack_floats(size_t panel) {
  const size_t first = panel * kLanes, cols = matrix_.cols;
  const size_t count = std::min(kLanes, matrix_.rows - first);
  std::byte* out = packed_ + panel * panel_bytes_;
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

PackedVector::PackedVector(const Vector& values)
    : values_(round_up(values.size(), kLanes) * sizeof(float)) {
  if (!values.empty()) std::memcpy(values_.data(), values.data(), values.size() * sizeof(float));
}

}  // namespace rwkv::cpu
