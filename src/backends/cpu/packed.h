// Weights in the layout that the kernels walk.
#pragma once

#include "backends/cpu/kernels.h"
#include "backends/cpu/packed_blocks.h"
#include "backends/cpu/packed_slices.h"
#include "backends/cpu/slice_unit.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "plan/plan.h"

namespace rwkv::cpu {

inline size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

enum class PackOrder : uint8_t {
  kPanels,  // of 16 outputs, one after another
  kByUnit,  // slices of 128 outputs, for inputs that are mostly zeros (kernels/linear_slices.inl.h)
};

// From here on a step works otherwise: more stages, larger tiles (CpuExecutor, PackedMatrix::tile).
constexpr size_t kManyRows = 8;

// A matrix cut into panels of 16 outputs; rows past the end are zeros. F32, F16 and BF16 keep their values
// (F64 becomes F32), block types their quants and scales. F32 that 16 bits hold without loss, as that of most published
// models' low-rank matrices, takes 16 bits: the same products at half the traffic.
class PackedMatrix {
 public:
  // Panels first, first + step, ...: one from each quarter (few rows: or half) of the matrix, so that a thread that takes
  // tiles in order reads four (two) long streams at once; or neighbours, where one stream is faster. By unit: a slice.
  struct Tile {
    size_t first, count, step;
  };
  static constexpr size_t kFewestTilePanels = 2, kMostTilePanels = kSliceOutputs / kLanes;

  PackedMatrix() = default;
  // The arena must outlive it. kByUnit: if its type can be (find_slice_packer; floats of 16 bits), else panels.
  PackedMatrix(const Matrix& matrix, PackOrder order, ThreadPool& pool, Arena& arena);

  // From by unit to panels, in place: for inputs that turned out not to be mostly zeros. Nobody may read meanwhile.
  // copies: a buffer of slice_bytes() for each thread.
  void lay_in_panels(ThreadPool& pool, std::span<const AlignedBuffer> copies);
  size_t slice_bytes() const { return by_unit() ? panel_bytes_ : 0; }

  size_t n_tile(bool few_rows) const { return (n_panel() + tile_panels(few_rows) - 1) / tile_panels(few_rows); }
  Tile tile(bool few_rows, size_t i) const;
  void locate(const Tile& tile, LinearArgs& args) const;  // pack, panels, strides, what to fetch, count, k, by_unit

  size_t n_panel() const { return (matrix_.rows + kLanes - 1) / kLanes; }
  size_t cols() const { return matrix_.cols; }
  bool by_unit() const { return by_unit_; }
  // Block types multiply with quantized activations; of 16 bits where the weights have about 8.
  bool takes_blocks() const { return packer_ != nullptr; }
  Pack pack() const { return pack_; }
  bool prefers_wide() const { return packer_ && packer_->wide; }
  size_t bytes() const { return n_piece() * panel_bytes_; }

 private:
  size_t tile_panels(bool few_rows) const { return by_unit() ? kMostTilePanels : few_rows && n_stream_ == 2 ? 2 : 4; }
  // Panels, or slices.
  size_t n_piece() const { return by_unit() ? n_tile(false) : n_panel(); }
  void set_layout(Pack pack, size_t unit, size_t unit_bytes);
  void set_float_layout(Pack pack);
  Pack float_pack(ThreadPool& pool) const;
  uint16_t narrow(const std::byte* value) const;  // a value of a matrix that is packed in 16 bits
  void pack_slice(size_t slice);
  void panel_of_slice(const SlicePacker& slices, const std::byte* slice, size_t p, std::byte* out) const;
  void panel_of_float_slice(const std::byte* slice, size_t p, std::byte* out) const;
  void pack_float_slice(size_t slice);
  void pack_floats(size_t panel);
  void pack_blocks(size_t panel);
  Matrix matrix_;
  const BlockPacker* packer_ = nullptr;
  const SlicePacker* slices_ = nullptr;  // by unit, of blocks
  bool by_unit_ = false;
  Pack pack_ = Pack::kF32;
  size_t unit_bytes_ = 0, panel_bytes_ = 0;  // of a panel; by unit: of a slice
  Ahead ahead_ = {};                         // LinearArgs
  size_t n_stream_ = 4;                      // that one row reads at once; 1: tiles are neighbours
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
