// One matrix through one kernel table, as the CPU executor does it: quantize rows, multiply tile by tile.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/cpu/packed.h"

namespace rwkv::test {

// x [rows, cols] with stride x_stride; returns [rows, whole panels of outputs].
inline std::vector<float> run_linear(const cpu::KernelTable& table, const cpu::PackedMatrix& weight,
                              const std::vector<float>& x, size_t x_stride, size_t rows, bool wide = false) {
  const size_t y_stride = weight.n_panel() * cpu::kLanes, n_block = weight.cols() / 32;
  std::vector<float> y(rows * y_stride, NAN), scale(rows * n_block);
  std::vector<uint8_t> blocks(rows * n_block * table.act_bytes[wide]);
  std::vector<int32_t> sum(2 * rows * n_block);
  const bool sparse = weight.by_unit() && rows <= cpu::kSparseRows;
  std::vector<uint8_t> active(sparse ? rows * n_block * cpu::kActiveBytes : 0);
  cpu::LinearArgs args{};
  args.x = x.data();
  args.x_stride = x_stride;
  args.rows = rows;
  for (size_t t = 0; t < rows && (weight.takes_blocks() || sparse); ++t) {
    cpu::QuantizeArgs row{x.data() + t * x_stride, weight.cols(), wide, nullptr, nullptr, nullptr, nullptr};
    if (sparse) row.active = active.data() + t * n_block * cpu::kActiveBytes;
    if (weight.takes_blocks()) {
      row.blocks = blocks.data() + t * n_block * table.act_bytes[wide];
      row.scale = scale.data() + t * n_block;
      row.sum = sum.data() + 2 * t * n_block;
    }
    table.quantize(row);
  }
  args.active = sparse ? active.data() : nullptr;
  args.wide = wide;
  args.row_blocks = n_block;
  args.blocks = blocks.data();
  args.scale = scale.data();
  args.sum = sum.data();
  for (size_t i = 0; i < weight.n_tile(); ++i) {
    const cpu::PackedMatrix::Tile tile = weight.tile(i);
    weight.locate(tile, args);
    std::vector<float> piece(rows * tile.count * cpu::kLanes, NAN);
    args.y = piece.data();
    args.y_stride = tile.count * cpu::kLanes;
    table.linear(args);
    for (size_t t = 0; t < rows; ++t)
      for (size_t p = 0; p < tile.count; ++p)
        std::copy_n(&piece[(t * tile.count + p) * cpu::kLanes], cpu::kLanes,
                    &y[t * y_stride + (tile.first + p * tile.step) * cpu::kLanes]);
  }
  return y;
}

}  // namespace rwkv::test
