#include "backends/cpu/packed.h"

#include <algorithm>
#include <cstring>

#include "base/cpu.h"

namespace rwkv::cpu {

PackedMatrix::PackedMatrix(const Matrix& matrix, PackOrder order, ThreadPool& pool, Arena& arena)
    : matrix_(matrix),
      packer_(find_packer(matrix.dtype)),
      slices_(order == PackOrder::kByUnit ? find_slice_packer(matrix.dtype) : nullptr) {
  size_t unit = 1;
  if (slices_) {
    pack_ = slices_->pack;
    unit = 32;
    unit_bytes_ = slices_->unit_bytes;
  } else if (packer_) {
    pack_ = packer_->pack;
    unit = packer_->unit;
    unit_bytes_ = packer_->unit_bytes;
  } else if (matrix.dtype == DType::kF16) {
    pack_ = Pack::kF16;
    unit_bytes_ = kLanes * sizeof(uint16_t);
  } else if (matrix.dtype == DType::kBF16) {
    pack_ = Pack::kBF16;
    unit = 2;
    unit_bytes_ = 2 * kLanes * sizeof(uint16_t);
  } else {
    unit_bytes_ = kLanes * sizeof(float);
  }
  panel_bytes_ = (matrix.cols + unit - 1) / unit * unit_bytes_;
  packed_ = arena.allocate(bytes());
  pool.run(n_piece(), [&](size_t piece, size_t) {
    if (slices_) pack_slice(piece);
    else if (packer_) pack_blocks(piece);
    else pack_floats(piece);
  });
}

PackedMatrix::Chunk PackedMatrix::chunk(size_t i) const {
  if (by_unit()) return {i * kMostChunkPanels, std::min(kMostChunkPanels, n_panel() - i * kMostChunkPanels), 1};
  const size_t step = n_chunk();
  return {i, (n_panel() - i + step - 1) / step, step};
}

void PackedMatrix::locate(const Chunk& chunk, LinearArgs& args) const {
  // AMD's cores find the streams by themselves, and prefetching takes their time; Intel's want it.
  static const size_t ahead = cpu_bits() & kCpuAmd ? 0 : 2048;
  args.pack = pack_;
  args.by_unit = by_unit();
  args.count = chunk.count;
  args.k = matrix_.cols;
  const size_t piece = by_unit() ? chunk.first / kMostChunkPanels : chunk.first;
  args.panels = reinterpret_cast<const uint8_t*>(packed_ + piece * panel_bytes_);
  args.panel_stride = chunk.step * panel_bytes_;
  args.ahead = ahead;
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
  for (size_t k = 0; k < matrix_.cols; k += packer_->unit, out += unit_bytes_) {
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
        std::memcpy(out + k * unit_bytes_ + lane * 4, &narrow, 4);
      } else if (matrix_.dtype == DType::kF32) {
        std::memcpy(out + k * unit_bytes_ + lane * 4, value, 4);
      } else if (matrix_.dtype == DType::kF16) {
        std::memcpy(out + k * unit_bytes_ + lane * 2, value, 2);
      } else {
        std::memcpy(out + k / 2 * unit_bytes_ + (lane * 2 + k % 2) * 2, value, 2);
      }
    }
  }
}

PackedVector::PackedVector(const Vector& values)
    : values_(round_up(values.size(), kLanes) * sizeof(float)) {
  if (!values.empty()) std::memcpy(values_.data(), values.data(), values.size() * sizeof(float));
}

}  // namespace rwkv::cpu
