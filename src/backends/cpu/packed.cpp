#include "backends/cpu/packed.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "base/cpu.h"
#include "base/half.h"

namespace rwkv::cpu {
namespace {

constexpr size_t kMostBlockBytes = 210;  // of the types that can be stored by unit: Q6_K's

}  // namespace

PackedMatrix::PackedMatrix(const Matrix& matrix, PackOrder order, ThreadPool& pool, Arena& arena)
    : matrix_(matrix),
      packer_(find_packer(matrix.dtype)),
      slices_(order == PackOrder::kByUnit ? find_slice_packer(matrix.dtype) : nullptr),
      by_unit_(slices_ != nullptr) {
  if (slices_) {
    set_layout(slices_->pack, slices_->unit, slices_->head_bytes + slices_->row_bytes);
  } else if (packer_) {
    set_layout(packer_->pack, packer_->unit, packer_->unit_bytes);
  } else {
    const Pack pack = float_pack(pool);
    by_unit_ = order == PackOrder::kByUnit && pack != Pack::kF32 && matrix.cols % 32 == 0;
    if (by_unit_) set_layout(pack, 1, kSliceOutputs * sizeof(uint16_t));
    else set_float_layout(pack);
  }
  packed_ = arena.allocate(bytes());
  pool.run(n_piece(), [&](size_t piece, size_t) {
    if (slices_) pack_slice(piece);
    else if (packer_) pack_blocks(piece);
    else if (by_unit_) pack_float_slice(piece);
    else pack_floats(piece);
  });
}

void PackedMatrix::set_layout(Pack pack, size_t unit, size_t unit_bytes) {
  pack_ = pack;
  unit_bytes_ = unit_bytes;
  panel_bytes_ = (matrix_.cols + unit - 1) / unit * unit_bytes;
  // How much work a byte holds decides how memory is read best. The fewer streams a core reads, the faster memory is; but one
  // row of floats needs the sums of two panels to keep the multipliers busy, and so do 8 bits, of which memory brings few.
  const bool amd = cpu_bits() & kCpuAmd, much_work = packer_ && pack != Pack::kQ8_0 && pack != Pack::kInt8;
  n_stream_ = !amd || !(cpu_bits() & kCpuAvx512Vnni) ? 4 : much_work ? 1 : 2;
  // Intel's cores want to be told early. AMD's find the streams by themselves, but where a byte holds much work they see
  // too little of what comes.
  ahead_ = {.one_row = 2048, .rows = 4096};
  if (amd) ahead_.one_row = !much_work ? 0 : n_stream_ == 1 ? 128 : 256;
}

void PackedMatrix::set_float_layout(Pack pack) {
  const size_t unit = pack == Pack::kBF16 ? 2 : 1;
  set_layout(pack, unit, unit * kLanes * (pack == Pack::kF32 ? sizeof(float) : sizeof(uint16_t)));
}

void PackedMatrix::lay_in_panels(ThreadPool& pool, std::span<const AlignedBuffer> copies) {
  const size_t slice_bytes = panel_bytes_, n_slice = n_piece();
  const SlicePacker* const slices = slices_;
  slices_ = nullptr;
  by_unit_ = false;
  if (slices) set_layout(packer_->pack, packer_->unit, packer_->unit_bytes);
  else set_float_layout(pack_);
  pool.run(n_slice, [&](size_t slice, size_t thread) {
    std::byte* const begin = packed_ + slice * slice_bytes;
    std::byte* const copy = copies[thread].data();
    std::memcpy(copy, begin, slice_bytes);
    std::memset(begin, 0, slice_bytes);
    for (size_t p = 0; p < kMostTilePanels; ++p) {
      if (slices) panel_of_slice(*slices, copy, p, begin + p * panel_bytes_);
      else panel_of_float_slice(copy, p, begin + p * panel_bytes_);
    }
  });
}

void PackedMatrix::panel_of_slice(const SlicePacker& slices, const std::byte* slice, size_t p, std::byte* out) const {
  const size_t n_unit = matrix_.cols / packer_->unit;
  for (size_t unit = 0; unit < n_unit; ++unit) {
    std::byte blocks[kLanes][kMostBlockBytes];
    const std::byte* rows[kLanes];
    for (size_t lane = 0; lane < kLanes; ++lane) {
      slices.unpack_output(slice + unit * slices.head_bytes, slice + n_unit * slices.head_bytes + unit * slices.row_bytes,
                           p * kLanes + lane, blocks[lane]);
      rows[lane] = blocks[lane];
    }
    packer_->pack_unit(rows, out + unit * unit_bytes_);
  }
}

void PackedMatrix::panel_of_float_slice(const std::byte* slice, size_t p, std::byte* out) const {
  for (size_t k = 0; k < matrix_.cols; ++k) {
    const std::byte* row = slice + float_slice_at(k, kLanes * p);
    if (pack_ == Pack::kF16) std::memcpy(out + unit_bytes_ * k, row, unit_bytes_);
    else
      for (size_t lane = 0; lane < kLanes; ++lane)
        std::memcpy(out + unit_bytes_ * (k / 2) + 4 * lane + 2 * (k % 2), row + 2 * lane, 2);
  }
}

PackedMatrix::Tile PackedMatrix::tile(bool few_rows, size_t i) const {
  if (by_unit() || n_stream_ == 1) {
    const size_t count = tile_panels(few_rows), first = i * count;
    return {first, std::min(count, n_panel() - first), 1};
  }
  const size_t step = n_tile(few_rows);
  return {i, (n_panel() - i + step - 1) / step, step};
}

void PackedMatrix::locate(const Tile& tile, LinearArgs& args) const {
  args.pack = pack_;
  args.by_unit = by_unit();
  args.count = tile.count;
  args.k = matrix_.cols;
  const size_t piece = by_unit() ? tile.first / kMostTilePanels : tile.first;
  args.panels = reinterpret_cast<const uint8_t*>(packed_ + piece * panel_bytes_);
  args.panel_stride = tile.step * panel_bytes_;
  args.ahead = ahead_;
}

void PackedMatrix::pack_slice(size_t slice) {
  const size_t first = slice * kSliceOutputs, row_bytes = bytes_of(matrix_.dtype, matrix_.cols);
  const size_t count = std::min(kSliceOutputs, matrix_.rows - first);
  std::byte *head = packed_ + slice * panel_bytes_, *rows = head + matrix_.cols / slices_->unit * slices_->head_bytes;
  for (size_t k = 0; k < matrix_.cols; k += slices_->unit, head += slices_->head_bytes, rows += slices_->row_bytes)
    for (size_t o = 0; o < count; ++o)
      slices_->pack_output(matrix_.bytes.data() + (first + o) * row_bytes + bytes_of(matrix_.dtype, k), o, head, rows);
}

void PackedMatrix::pack_float_slice(size_t slice) {
  const size_t first = slice * kSliceOutputs, cols = matrix_.cols, width = info(matrix_.dtype).block_bytes;
  const size_t count = std::min(kSliceOutputs, matrix_.rows - first);
  std::byte* out = packed_ + slice * panel_bytes_;
  for (size_t k = 0; k < cols; k += 32)  // pieces that stay in the cache
    for (size_t o = 0; o < count; ++o)
      for (size_t i = k; i < k + 32; ++i) {
        const uint16_t value = narrow(matrix_.bytes.data() + ((first + o) * cols + i) * width);
        std::memcpy(out + float_slice_at(i, o), &value, sizeof value);
      }
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

// The narrowest pack that keeps every value.
Pack PackedMatrix::float_pack(ThreadPool& pool) const {
  if (matrix_.dtype == DType::kF16) return Pack::kF16;
  if (matrix_.dtype == DType::kBF16) return Pack::kBF16;
  if (matrix_.dtype != DType::kF32) return Pack::kF32;
  std::atomic<bool> all_half{true}, all_brain{matrix_.cols % 2 == 0};  // a last pair would read past the activations
  pool.run(n_panel(), [&](size_t panel, size_t) {
    const size_t last = std::min((panel + 1) * kLanes, matrix_.rows) * matrix_.cols;
    bool half = all_half, brain = all_brain;
    for (size_t i = panel * kLanes * matrix_.cols; i < last && (half || brain); ++i) {
      float value;
      std::memcpy(&value, matrix_.bytes.data() + i * sizeof value, sizeof value);
      const auto bits = std::bit_cast<uint32_t>(value);
      brain = brain && bits == std::bit_cast<uint32_t>(bf16_to_f32(f32_to_bf16(value)));
      half = half && bits == std::bit_cast<uint32_t>(f16_to_f32(f32_to_f16(value)));
    }
    if (!half) all_half = false;
    if (!brain) all_brain = false;
  });
  return all_half ? Pack::kF16 : all_brain ? Pack::kBF16 : Pack::kF32;
}

uint16_t PackedMatrix::narrow(const std::byte* value) const {
  uint16_t half;
  if (matrix_.dtype != DType::kF32) {
    std::memcpy(&half, value, sizeof half);
    return half;
  }
  float wide;  // that 16 bits hold without loss
  std::memcpy(&wide, value, sizeof wide);
  return pack_ == Pack::kF16 ? f32_to_f16(wide) : f32_to_bf16(wide);
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
      if (pack_ == Pack::kF32) {
        float wide;
        if (matrix_.dtype == DType::kF64) info(DType::kF64).decode(value, 1, &wide);
        else std::memcpy(&wide, value, 4);
        std::memcpy(out + k * unit_bytes_ + lane * 4, &wide, 4);
        continue;
      }
      const uint16_t half = narrow(value);
      std::byte* at = pack_ == Pack::kF16 ? out + k * unit_bytes_ + lane * 2
                                          : out + k / 2 * unit_bytes_ + (lane * 2 + k % 2) * 2;
      std::memcpy(at, &half, 2);
    }
  }
}

PackedVector::PackedVector(const Vector& values)
    : values_(round_up(values.size(), kLanes) * sizeof(float)) {
  if (!values.empty()) std::memcpy(values_.data(), values.data(), values.size() * sizeof(float));
}

}  // namespace rwkv::cpu
