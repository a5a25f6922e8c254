// One matrix through one kernel table, as the CPU executor does it: quantize rows, multiply tile by tile.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "backends/cpu/packed.h"

namespace rwkv::test {

// x [rows, cols] with stride x_stride; returns [rows, whole panels of outputs], or NaN where panels that lie otherwise give
// other bits. bf16: x is rounded, as CpuOptions::bf16_activations does.
inline std::vector<float> run_linear(const cpu::KernelTable& table, const cpu::PackedMatrix& weight,
                              const std::vector<float>& x, size_t x_stride, size_t rows, bool wide = false,
                              bool bf16 = false) {
  const size_t y_stride = weight.n_panel() * cpu::kLanes, n_block = weight.cols() / 32;
  std::vector<float> y(rows * y_stride, NAN), scale(rows * n_block);
  std::vector<uint8_t> blocks(rows * n_block * table.act_bytes[wide]);
  std::vector<int32_t> sum(2 * rows * n_block);
  const cpu::ActGroups& act_groups = table.act_groups;
  const bool grouped = weight.takes_blocks() && !wide && act_groups.rows > 0 &&
                       rows >= (weight.by_unit() ? cpu::kSparseRows + 1 : act_groups.from);
  const AlignedBuffer groups(grouped ? act_groups.size(rows, n_block) : 1);
  const bool sparse = weight.by_unit() && rows <= cpu::kSparseRows;
  std::vector<uint8_t> active(sparse ? rows * n_block * cpu::kActiveBytes : 0);
  cpu::LinearArgs args{};
  args.x = x.data();
  args.x_stride = x_stride;
  args.rows = rows;
  const size_t bf16_stride = weight.cols() + 32;
  std::vector<uint16_t> x_bf16(bf16 ? rows * bf16_stride : 0);
  if (bf16) {
    args.x = nullptr;
    args.x_bf16 = x_bf16.data();
    args.x_stride = bf16_stride;
  }
  for (size_t t = 0; t < rows && (weight.takes_blocks() || sparse || bf16); ++t) {
    cpu::QuantizeArgs row{};
    row.x = x.data() + t * x_stride;
    row.k = weight.cols();
    row.wide = wide;
    if (bf16) row.bf16 = x_bf16.data() + t * bf16_stride;
    if (sparse) row.active = active.data() + t * n_block * cpu::kActiveBytes;
    if (weight.takes_blocks()) {
      row.blocks = blocks.data() + t * n_block * table.act_bytes[wide];
      row.scale = scale.data() + t * n_block;
      row.sum = sum.data() + 2 * t * n_block;
      if (grouped) {
        row.group = groups.as<uint8_t>() + act_groups.offset(t, n_block);
        row.lane = t % act_groups.rows;
      }
    }
    table.quantize(row);
  }
  args.active = sparse ? active.data() : nullptr;
  args.wide = wide;
  args.row_blocks = n_block;
  args.blocks = blocks.data();
  args.scale = scale.data();
  args.sum = sum.data();
  args.groups = grouped ? groups.as<uint8_t>() : nullptr;
  const auto multiply = [&](const cpu::PackedMatrix::Tile& tile) {
    weight.locate(tile, args);
    std::vector<float> piece(rows * tile.count * cpu::kLanes, NAN);
    args.y = piece.data();
    args.y_stride = tile.count * cpu::kLanes;
    table.linear(args);
    for (size_t t = 0; t < rows; ++t)
      for (size_t p = 0; p < tile.count; ++p)
        std::copy_n(&piece[(t * tile.count + p) * cpu::kLanes], cpu::kLanes,
                    &y[t * y_stride + (tile.first + p * tile.step) * cpu::kLanes]);
  };
  const bool few_rows = rows < cpu::kManyRows;
  for (size_t i = 0; i < weight.n_tile(few_rows); ++i) multiply(weight.tile(few_rows, i));
  if (weight.by_unit() || !few_rows) return y;
  // Whatever this machine's tiles are: all panels as neighbours, then every second one.
  const std::vector<float> want = y;
  for (const size_t step : {1, 2}) {
    y.assign(y.size(), NAN);
    for (size_t first = 0; first < std::min(step, weight.n_panel()); ++first)
      multiply({first, (weight.n_panel() - first + step - 1) / step, step});
    if (std::memcmp(y.data(), want.data(), y.size() * sizeof(float)) != 0) return std::vector<float>(y.size(), NAN);
  }
  return y;
}

}  // namespace rwkv::test
