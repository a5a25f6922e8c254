// How the matrices of a linear op are cut into pieces of work.
#include "backends/cpu/packed_plan.h"

#include <gtest/gtest.h>

#include <map>

#include "support/random_blocks.h"

namespace rwkv::test::packed_plan_test {
namespace {

using cpu::PackedLinear;
using cpu::PackedMatrix;
using cpu::PackOrder;

TEST(packed_linear, pieces_hold_every_panel_once) {
  ThreadPool pool(1);
  for (const DType type : {DType::kQ4_0, DType::kQ3_K, DType::kF16})
    for (const size_t rows : {16, 80, 528, 8208})
      for (const size_t n_thread : {1, 2, 5}) {
        Arena arena;
        const size_t cols = 256;
        const std::vector<std::byte> bytes = random_matrix(type, rows * cols);
        const LinearPart part{.weight = {type, rows, cols, bytes, "w"}};
        PackedLinear op;
        for (const PackOrder order : {PackOrder::kPanels, PackOrder::kPanels, PackOrder::kByUnit})
          op.parts.push_back({&part, PackedMatrix(part.weight, order, pool, arena), {}, 0});
        op.make_tiles(n_thread);
        for (const bool few_rows : {false, true}) {
          std::map<std::pair<size_t, size_t>, size_t> times;  // of a part's panel
          for (size_t i = 0; i < op.n_chunk(few_rows); ++i) {
            size_t n_panel = 0;
            ASSERT_FALSE(op.chunk(few_rows, i).empty());
            for (const PackedLinear::Tile& tile : op.chunk(few_rows, i)) {
              n_panel += tile.panels.count;
              for (size_t p = 0; p < tile.panels.count; ++p) ++times[{tile.part, tile.panels.first + p * tile.panels.step}];
            }
            EXPECT_LE(n_panel, PackedLinear::kMostPanels) << "more than a thread's scratch holds";
          }
          EXPECT_EQ(times.size(), 3 * op.parts[0].weight.n_panel()) << name(type) << ", " << rows << " rows";
          for (const auto& [panel, n] : times)
            EXPECT_EQ(n, 1u) << name(type) << ", " << rows << " rows, part " << panel.first << ", panel " << panel.second;
        }
      }
}

// r, k, v and low-rank matrices of a small model: chunks are shared out by number, so as many must hold as much.
TEST(packed_linear, threads_have_even_shares_of_few_rows) {
  constexpr size_t cols = 512;
  ThreadPool pool(1);
  Arena arena;
  std::vector<std::vector<std::byte>> bytes;
  std::vector<LinearPart> parts;
  for (const auto& [type, rows] : {std::pair(DType::kQ4_0, size_t{1024}), {DType::kQ4_0, 1024}, {DType::kQ4_0, 1024},
                                   {DType::kQ8_0, 64}, {DType::kQ8_0, 64}, {DType::kQ8_0, 128}, {DType::kQ8_0, 32}}) {
    bytes.push_back(random_matrix(type, rows * cols));
    parts.push_back({.weight = {type, rows, cols, bytes.back(), "w"}});
  }
  PackedLinear op;
  for (const LinearPart& part : parts) op.parts.push_back({&part, PackedMatrix(part.weight, PackOrder::kPanels, pool, arena), {}, 0});
  for (const size_t n_thread : {1, 2, 3, 4}) {
    op.make_tiles(n_thread);
    const size_t n = op.n_chunk(true);
    ASSERT_EQ(n % n_thread, 0u);
    std::vector<double> share(n_thread);
    double total = 0, tile = 0;
    for (size_t i = 0; i < n; ++i)
      for (const PackedLinear::Tile& t : op.chunk(true, i)) {
        const PackedMatrix& weight = op.parts[t.part].weight;
        const double panel = static_cast<double>(weight.bytes()) / static_cast<double>(weight.n_panel());
        share[i * n_thread / n] += panel * static_cast<double>(t.panels.count);
        total += panel * static_cast<double>(t.panels.count);
        tile = std::max(tile, panel * 4);
      }
    for (const double bytes_of_thread : share) EXPECT_NEAR(bytes_of_thread, total / static_cast<double>(n_thread), tile) << n_thread << " threads";
  }
}

}  // namespace
}  // namespace rwkv::test::packed_plan_test
