// The kernels for matrix units give the bits of the scalar kernels. Their tile instructions are those of the program, done
// by an emulator where the processor has none; the vectors around them are the scalar ones. Where it has AMX, kernels_test.cpp
// runs the unit itself.
#include <math.h>
#include <string.h>

#include "backends/cpu/kernels.h"
#include "backends/cpu/packed.h"
#include "backends/cpu/packed_slices.h"
#include "base/cpu.h"
#include "support/amx_emulator.h"
#include "support/golden.h"
#include "support/random_blocks.h"
#include "support/run_linear.h"

namespace rwkv::cpu::on_tiles {

#include "backends/cpu/simd/scalar.h"

#include "backends/cpu/simd/act_planes.h"
#include "backends/cpu/simd/whole_parts.h"

#include "backends/cpu/simd/tile_chain.h"

#include "backends/cpu/simd/amx_tiles.h"

#include "backends/cpu/kernels/math.inl.h"
#include "backends/cpu/kernels/cut.inl.h"
#include "backends/cpu/kernels/plain_panel.inl.h"
#include "backends/cpu/kernels/quant_formats.inl.h"

#include "backends/cpu/kernels/linear_bf16_tiles.inl.h"
#include "backends/cpu/kernels/linear_tiles.inl.h"

#include "backends/cpu/kernels/linear_slices.inl.h"

#include "backends/cpu/kernels/dispatch.inl.h"
#include "backends/cpu/kernels/quantize.inl.h"

KernelTable table() {
  KernelTable out = kScalarTable;
  out.name = "tiles";
  for (const bool wide : {false, true}) out.act_bytes[wide] = act_bytes(wide);
  out.linear = [](const LinearArgs& a) { a.x_bf16 ? linear_bf16(a) : linear_blocks(a); };
  out.quantize = quantize;
  return out;
}

}  // namespace rwkv::cpu::on_tiles

namespace rwkv::test::tiles_test {
namespace {

class Tiles : public testing::TestWithParam<DType> {};

TEST_P(Tiles, give_the_bits_of_the_scalar_kernels) {
  ThreadPool pool(1);
  Arena arena;
  const AmxEmulator emulator;
  const cpu::KernelTable tiles = cpu::on_tiles::table();
  const size_t n_out = 272, cols = 512;
  const std::vector<std::byte> bytes = random_matrix(GetParam(), n_out * cols);
  const Matrix matrix{GetParam(), n_out, cols, bytes, "w"};
  for (const cpu::PackOrder order : {cpu::PackOrder::kPanels, cpu::PackOrder::kByUnit}) {
    if (order == cpu::PackOrder::kByUnit && !cpu::find_slice_packer(GetParam())) continue;
    const cpu::PackedMatrix weight(matrix, order, pool, arena);
    for (const size_t rows : {3, 16, 37}) {
      std::mt19937_64 random(rows);
      std::vector<float> x(rows * cols);
      for (float& v : x) v = std::uniform_real_distribution<float>(-2, 2)(random);
      for (const bool wide : {false, true})
        EXPECT_TRUE(same_bits(run_linear(tiles, weight, x, cols, rows, wide),
                              run_linear(cpu::kScalarTable, weight, x, cols, rows, wide)))
            << rows << " rows, " << (wide ? 16 : 8) << " bits, " << (weight.by_unit() ? "by unit" : "panels");
    }
  }
}
// The unit takes subnormals for zeros, as all our workers do.
TEST(bf16_tiles, give_the_bits_of_the_scalar_kernels) {
  ThreadPool pool(1);
  Arena arena;
  const AmxEmulator emulator;
  const FlushSubnormals flush;
  const cpu::KernelTable tiles = cpu::on_tiles::table();
  for (const size_t n_out : {16, 80, 272})
    for (const size_t cols : {32, 544, 1088}) {  // less than a piece of k, more, and more than two
      const std::vector<std::byte> bytes = random_matrix(DType::kBF16, n_out * cols);
      const cpu::PackedMatrix weight({DType::kBF16, n_out, cols, bytes, "w"}, cpu::PackOrder::kPanels, pool, arena);
      for (const size_t rows : {1, 16, 17, 32, 50})
        for (const float size : {2.0f, 1e-37f}) {
          std::mt19937_64 random(rows);
          std::vector<float> x(rows * cols);
          for (float& v : x) v = std::uniform_real_distribution<float>(-size, size)(random);
          EXPECT_TRUE(same_bits(run_linear(tiles, weight, x, cols, rows, false, true),
                                run_linear(cpu::kScalarTable, weight, x, cols, rows, false, true)))
              << n_out << "x" << cols << ", " << rows << " rows, up to " << size;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(types, Tiles, testing::ValuesIn(kBlockTypes),
                         [](const auto& p) { return std::string(name(p.param)); });

}  // namespace
}  // namespace rwkv::test::tiles_test
