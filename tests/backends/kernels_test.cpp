// Every kernel table that this processor can run, against the scalar twin (same bits) and against the
// formulas in double (tolerance), at sizes around the tile.
#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "backends/cpu/isa/tables.h"
#include "backends/cpu/packed.h"
#include "backends/reference/ops.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/half.h"
#include "support/golden.h"
#include "support/random_blocks.h"
#include "support/run_linear.h"

namespace rwkv::test::kernels_test {
namespace {

using cpu::kLanes;
using cpu::KernelTable;
using cpu::PackOrder;

std::vector<float> random_floats(size_t n, uint64_t seed, float low = -2, float high = 2) {
  std::mt19937_64 random(seed);
  std::vector<float> out(n);
  for (float& x : out) x = std::uniform_real_distribution<float>(low, high)(random);
  return out;
}

void for_each_table(const std::function<void(const KernelTable&)>& f) {
  for (const KernelTable* table : cpu::compiled_tables())
    if (cpu::can_run(*table)) f(*table);
}

size_t round_up(size_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// rows x cols weights of a type, as bytes.
std::vector<std::byte> weights_of(DType type, const std::vector<float>& values) {
  std::vector<std::byte> out(bytes_of(type, values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = type == DType::kF16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
    if (type == DType::kF32) std::memcpy(&out[4 * i], &values[i], 4);
    else std::memcpy(&out[2 * i], &half, 2);
  }
  return out;
}

TEST(linear, equals_the_scalar_twin_and_the_double_sum) {
  ThreadPool pool(1);
  Arena arena;
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16})
    for (const size_t cols : {1, 2, 31, 64})
      for (const size_t n_out : {1, 15, 16, 17, 64, 80}) {
        const auto bytes = weights_of(type, random_floats(n_out * cols, n_out + cols));
        const Matrix matrix{type, n_out, cols, bytes, "w"};
        const cpu::PackedMatrix weight(matrix, PackOrder::kPanels, pool, arena);
        for (const size_t rows : {1, 2, 3, 5, 6, 7, 12, 13, 25}) {
          const size_t stride = round_up(cols) + kLanes;
          const auto x = random_floats(rows * stride + kLanes, rows);
          const auto want = run_linear(cpu::kScalarTable, weight, x, stride, rows);
          for_each_table([&](const KernelTable& table) {
            EXPECT_TRUE(same_bits(run_linear(table, weight, x, stride, rows), want))
                << table.name << " " << name(type) << " " << n_out << "x" << cols << ", " << rows << " rows";
          });
          std::vector<float> w(n_out * cols);
          info(type).decode(bytes.data(), w.size(), w.data());
          for (size_t t = 0; t < rows; ++t)
            for (size_t o = 0; o < n_out; ++o) {
              double sum = 0, size = 0;
              for (size_t k = 0; k < cols; ++k) {
                const double term = static_cast<double>(w[o * cols + k]) * static_cast<double>(x[t * stride + k]);
                sum += term;
                size += std::abs(term);
              }
              // One rounding of 2^-24 for each of `cols` steps of the chain.
              ASSERT_NEAR(want[t * weight.n_panel() * kLanes + o], sum,
                          size * static_cast<double>(cols) * 0x1p-24 + 1e-30);
            }
        }
      }
}

// Activations rounded to BF16: the same bits on every instruction set, and the double sum of the rounded ones.
TEST(linear_bf16, equals_the_scalar_twin_and_the_double_sum) {
  ThreadPool pool(1);
  Arena arena;
  for (const size_t cols : {32, 64, 544, 1088})
    for (const size_t n_out : {1, 16, 17, 80}) {
      const auto bytes = weights_of(DType::kBF16, random_floats(n_out * cols, n_out + cols));
      const cpu::PackedMatrix weight({DType::kBF16, n_out, cols, bytes, "w"}, PackOrder::kPanels, pool, arena);
      std::vector<float> w(n_out * cols);
      info(DType::kBF16).decode(bytes.data(), w.size(), w.data());
      for (const size_t rows : {1, 2, 3, 7, 13, 37}) {
        const auto x = random_floats(rows * cols, rows);
        const auto want = run_linear(cpu::kScalarTable, weight, x, cols, rows, false, true);
        for_each_table([&](const KernelTable& table) {
          EXPECT_TRUE(same_bits(run_linear(table, weight, x, cols, rows, false, true), want))
              << table.name << " " << n_out << "x" << cols << ", " << rows << " rows";
        });
        for (size_t t = 0; t < rows; ++t)
          for (size_t o = 0; o < n_out; ++o) {
            double sum = 0, size = 0;
            for (size_t k = 0; k < cols; ++k) {
              const float rounded = bf16_to_f32(f32_to_bf16(x[t * cols + k]));
              sum += static_cast<double>(w[o * cols + k]) * static_cast<double>(rounded);
              size += std::abs(static_cast<double>(w[o * cols + k]) * static_cast<double>(rounded));
            }
            // 16 steps of a chain, and one addition for each 32 k.
            ASSERT_NEAR(want[t * weight.n_panel() * kLanes + o], sum, size * static_cast<double>(18 + cols / 32) * 0x1p-24);
          }
      }
    }
}

TEST(linear_bf16, rounds_activations_to_nearest_even) {
  const float values[] = {0.0f, -0.0f, 1.0f, 1.00390625f, 1.01171875f, 1.0039063f, -3.4e38f, INFINITY, -INFINITY, NAN, 65504.0f};
  std::vector<float> x(32);
  std::copy(std::begin(values), std::end(values), x.begin());
  for_each_table([&](const KernelTable& table) {
    std::vector<uint16_t> out(32);
    cpu::QuantizeArgs args{};
    args.x = x.data();
    args.k = 32;
    args.bf16 = out.data();
    table.quantize(args);
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) EXPECT_TRUE(std::isnan(bf16_to_f32(out[i]))) << table.name;
      else EXPECT_EQ(out[i], f32_to_bf16(x[i])) << table.name << " " << x[i];
    }
  });
}

struct Quantized {
  std::vector<uint8_t> blocks;
  AlignedBuffer groups;  // of one row
  std::vector<float> scale;
  std::vector<int32_t> sum;
};
Quantized quantized(const KernelTable& table, std::span<const float> x, bool wide) {
  const size_t n_block = x.size() / 32;
  const size_t group_bytes = std::max<size_t>(n_block * table.act_groups.bytes, 1);
  Quantized out{std::vector<uint8_t>(n_block * table.act_bytes[wide]), AlignedBuffer(group_bytes), std::vector<float>(n_block),
                std::vector<int32_t>(2 * n_block)};
  std::memset(out.groups.data(), 0, group_bytes);
  cpu::QuantizeArgs args{};
  args.x = x.data();
  args.k = x.size();
  args.wide = wide;
  args.blocks = out.blocks.data();
  args.scale = out.scale.data();
  args.sum = out.sum.data();
  if (!wide && table.act_groups.rows > 0) {
    args.group = out.groups.as<uint8_t>();
    args.lane = 1;
  }
  table.quantize(args);
  return out;
}

// Every length gives what each block gives by itself, and that is what a plain loop gives; what is NaN counts as the largest, but
// makes no scale. As the kernels run: subnormals are zeros.
TEST(quantize, equals_a_plain_loop_for_every_length_and_odd_values) {
  const FlushSubnormals flush;
  for (size_t n_block = 1; n_block <= 37; ++n_block) {
    std::vector<float> x = random_floats(32 * n_block, n_block);
    std::mt19937_64 random(n_block);
    for (const float odd : {0.0f, -0.0f, NAN, INFINITY, -INFINITY, 1e-38f, 3e38f}) x[random() % x.size()] = odd;
    const auto zeros = x.begin() + 32 * static_cast<ptrdiff_t>(random() % n_block);
    const auto tiny = x.begin() + 32 * static_cast<ptrdiff_t>(random() % n_block);
    if (n_block > 1) std::fill_n(zeros, 32, 0.0f);
    if (n_block > 2) std::fill_n(tiny, 32, 2e-38f);  // normal, but limit / size is infinite
    for (const bool wide : {false, true})
      for_each_table([&](const KernelTable& table) {
        const Quantized all = quantized(table, x, wide);
        const float limit = wide ? 32639.0f : 127.0f;
        for (size_t b = 0; b < n_block; ++b) {
          const std::span<const float> block(x.data() + 32 * b, 32);
          float size = 0;
          for (const float value : block) size = std::max(size, std::abs(value));  // NaN: false
          const float inverse = size > 0 ? limit / size : 0.0f;
          int32_t sums[2] = {};
          for (size_t i = 0; i < 32; ++i) {
            const float q = block[i] * inverse;
            sums[i / 16] += static_cast<int32_t>(std::nearbyint(std::isnan(q) ? limit : std::clamp(q, -limit, limit)));
          }
          const std::string where = strf("{}, block {} of {}", table.name, b, n_block);
          ASSERT_EQ(all.scale[b], size / limit) << where;
          ASSERT_EQ(all.sum[2 * b], sums[0]) << where;
          ASSERT_EQ(all.sum[2 * b + 1], sums[1]) << where;
          const Quantized alone = quantized(table, block, wide);
          const size_t bytes = table.act_bytes[wide], group = table.act_groups.bytes;
          ASSERT_EQ(std::memcmp(&all.blocks[b * bytes], alone.blocks.data(), bytes), 0) << where;
          ASSERT_EQ(std::memcmp(all.groups.data() + b * group, alone.groups.data(), group), 0) << where;
        }
      });
  }
}

TEST(packed, f32_that_sixteen_bits_hold_takes_sixteen_bits) {
  ThreadPool pool(2);
  Arena arena;
  constexpr size_t n_out = 33;
  for (const size_t cols : {20, 64})
    for (const DType narrow : {DType::kF16, DType::kBF16}) {
      const std::vector<std::byte> narrow_bytes = random_matrix(narrow, n_out * cols);
      std::vector<float> values(n_out * cols);
      info(narrow).decode(narrow_bytes.data(), values.size(), values.data());
      const auto pack = [&](DType type, const void* data) {
        const std::span bytes(static_cast<const std::byte*>(data), bytes_of(type, n_out * cols));
        return cpu::PackedMatrix({type, n_out, cols, bytes, "w"}, PackOrder::kPanels, pool, arena);
      };
      const auto x = random_floats(cols + kLanes, 1);
      const cpu::PackedMatrix want = pack(narrow, narrow_bytes.data()), exact = pack(DType::kF32, values.data());
      EXPECT_EQ(exact.bytes(), want.bytes()) << name(narrow);
      EXPECT_TRUE(same_bits(run_linear(cpu::kScalarTable, exact, x, cols, 1), run_linear(cpu::kScalarTable, want, x, cols, 1)))
          << name(narrow);
      const cpu::PackedMatrix units({DType::kF32, n_out, cols, std::as_bytes(std::span(values)), "w"}, PackOrder::kByUnit, pool, arena);
      EXPECT_EQ(units.by_unit(), cols % 32 == 0);
      EXPECT_TRUE(same_bits(run_linear(cpu::kScalarTable, units, x, cols, 1), run_linear(cpu::kScalarTable, want, x, cols, 1)))
          << name(narrow);
      values.back() = 1.0f / 3;
      EXPECT_EQ(pack(DType::kF32, values.data()).bytes(), size_t{48 * cols * sizeof(float)}) << name(narrow);
    }
}

class LinearBlocks : public testing::TestWithParam<DType> {};

TEST_P(LinearBlocks, equal_the_scalar_twin_and_the_double_sum) {
  const DType type = GetParam();
  ThreadPool pool(1);
  Arena arena;
  for (const size_t n_out : {16, 17, 64, 80})
    for (const size_t cols : {256, 1280}) {
      const std::vector<std::byte> bytes = random_matrix(type, n_out * cols);
      const Matrix matrix{type, n_out, cols, bytes, "w"};
      const cpu::PackedMatrix weight(matrix, PackOrder::kPanels, pool, arena);
      std::vector<float> w(n_out * cols);
      info(type).decode(bytes.data(), w.size() / info(type).block_values, w.data());
      for (const size_t rows : {1, 2, 11, 15, 16, 23}) {
        const auto x = random_floats(rows * cols, rows);
        std::vector<double> totals(rows * n_out), sizes(rows * n_out);
        for (size_t t = 0; t < rows; ++t)
          for (size_t o = 0; o < n_out; ++o)
            for (size_t k = 0; k < cols; ++k) {
              const auto weight_k = static_cast<double>(w[o * cols + k]);
              totals[t * n_out + o] += weight_k * static_cast<double>(x[t * cols + k]);
              sizes[t * n_out + o] += std::abs(weight_k) * 2.0;
            }
        for (const bool wide : {false, true}) {
          const auto want = run_linear(cpu::kScalarTable, weight, x, cols, rows, wide);
          for_each_table([&](const KernelTable& table) {
            EXPECT_TRUE(same_bits(run_linear(table, weight, x, cols, rows, wide), want))
                << table.name << " " << n_out << "x" << cols << ", " << rows << " rows, " << (wide ? 16 : 8) << " bits";
          });
          for (size_t t = 0; t < rows; ++t)
            for (size_t o = 0; o < n_out; ++o) {
              // Half a step of the activations (|x| <= 2) for each term, and the chain's roundings.
              const double step = 0.5 / (wide ? 32639 : 127) + 2e-6;
              ASSERT_NEAR(want[t * weight.n_panel() * kLanes + o], totals[t * n_out + o], sizes[t * n_out + o] * step)
                  << n_out << "x" << cols << ", row " << t << ", output " << o << ", " << (wide ? 16 : 8) << " bits";
            }
        }
      }
    }
}

// Several panels share the activations of such rows.
TEST_P(LinearBlocks, times_a_long_row_equal_the_scalar_twin) {
  constexpr size_t kOut = 80, kCols = 8192;
  ThreadPool pool(1);
  Arena arena;
  const std::vector<std::byte> bytes = random_matrix(GetParam(), kOut * kCols);
  const cpu::PackedMatrix weight({GetParam(), kOut, kCols, bytes, "w"}, PackOrder::kPanels, pool, arena);
  const auto x = random_floats(kCols, 1);
  for (const bool wide : {false, true}) {
    const auto want = run_linear(cpu::kScalarTable, weight, x, kCols, 1, wide);
    for_each_table([&](const KernelTable& table) {
      EXPECT_TRUE(same_bits(run_linear(table, weight, x, kCols, 1, wide), want)) << table.name << (wide ? ", 16 bits" : ", 8 bits");
    });
  }
}

// Sums are made of integers of 16 or 32 bits, or of floats: the largest must be exact in all.
TEST(linear, of_extreme_weights_equals_the_scalar_twin) {
  struct Type {
    DType dtype;
    std::vector<size_t> ones;  // where a block keeps its f16 scale and minimum
  };
  const Type types[] = {{DType::kQ4_0, {0}},      {DType::kQ4_1, {0, 2}}, {DType::kQ5_0, {0}},   {DType::kQ5_1, {0, 2}},
                        {DType::kQ8_0, {0}},      {DType::kQ4_K, {0, 2}}, {DType::kQ5_K, {0, 2}}, {DType::kIQ4_NL, {0}},
                        {DType::kQ2_K, {80, 82}}, {DType::kQ3_K, {108}},  {DType::kQ6_K, {208}},  {DType::kIQ4_XS, {0}}};
  ThreadPool pool(1);
  Arena arena;
  constexpr size_t n_out = 17, cols = 512;
  for (const auto& [type, ones] : types)
    for (const int pattern : {0x00, 0x7f, 0x80, 0xff}) {
      std::vector<std::byte> bytes(bytes_of(type, n_out * cols), static_cast<std::byte>(pattern));
      for (size_t block = 0; block < bytes.size(); block += info(type).block_bytes)
        for (const size_t at : ones) {
          bytes[block + at] = std::byte{0x00};
          bytes[block + at + 1] = std::byte{0x3c};
        }
      const Matrix matrix{type, n_out, cols, bytes, "w"};
      const cpu::PackedMatrix weight(matrix, PackOrder::kPanels, pool, arena), units(matrix, PackOrder::kByUnit, pool, arena);
      for (const bool alternate : {false, true}) {
        std::vector<float> x(18 * cols, 127);
        for (size_t i = 0; alternate && i < x.size(); i += 3) x[i] = -127;
        for (const bool wide : {false, true})
          for (const size_t rows : {1, 7, 12, 15, 18}) {
            const auto want = run_linear(cpu::kScalarTable, weight, x, cols, rows, wide);
            for_each_table([&](const KernelTable& table) {
              EXPECT_TRUE(same_bits(run_linear(table, weight, x, cols, rows, wide), want) &&
                          same_bits(run_linear(table, units, x, cols, rows, wide), want))
                  << table.name << " " << name(type) << " of bytes " << pattern << ", " << rows << " rows";
            });
          }
      }
    }
}

class LinearByUnit : public testing::TestWithParam<DType> {};

TEST_P(LinearByUnit, gives_the_bits_of_panels_whatever_is_zero) {
  const DType type = GetParam();
  ThreadPool pool(1);
  Arena arena;
  constexpr double kByBlocks = -1;  // whole and half blocks are not 0
  for (const size_t n_out : {16, 128, 150, 272})
    for (const size_t cols : {32, 96, 256, 288, 352, 1280}) {
      if (cols % info(type).block_values != 0) continue;
      const std::vector<std::byte> bytes = random_matrix(type, n_out * cols);
      const Matrix matrix{type, n_out, cols, bytes, "w"};
      const cpu::PackedMatrix panels(matrix, PackOrder::kPanels, pool, arena), slices(matrix, PackOrder::kByUnit, pool, arena);
      ASSERT_TRUE(slices.by_unit());
      for (const size_t rows : {1, 2, 3, 5, 13, 17})
        for (const double zeros : {0.0, 0.5, 0.66, 0.9, 1.0, kByBlocks}) {
          std::vector<float> x = random_floats(rows * cols, rows);
          std::mt19937_64 random(rows);
          for (size_t i = 0; i < x.size(); ++i) {
            const size_t kind = (i / cols + i % cols / 32 + 1) % 8, half = i % 32 / 16;
            const bool kept = kind == 0 || kind == 1 + half;
            if (zeros == kByBlocks ? !kept : static_cast<double>(random() % 1000) < 1000 * zeros) x[i] = 0;
          }
          for (const bool wide : {false, true}) {
            const auto want = run_linear(cpu::choose_table(""), panels, x, cols, rows, wide);
            for_each_table([&](const KernelTable& table) {
              EXPECT_TRUE(same_bits(run_linear(table, slices, x, cols, rows, wide), want))
                  << table.name << " " << n_out << "x" << cols << ", " << rows << " rows, zeros " << zeros;
            });
          }
        }
    }
}

TEST_P(LinearByUnit, can_become_panels) {
  const DType type = GetParam();
  ThreadPool pool(2);
  Arena arena;
  for (const size_t n_out : {16, 150, 272}) {
    constexpr size_t cols = 768;
    const std::vector<std::byte> bytes = random_matrix(type, n_out * cols);
    const Matrix matrix{type, n_out, cols, bytes, "w"};
    const cpu::PackedMatrix want(matrix, PackOrder::kPanels, pool, arena);
    cpu::PackedMatrix changed(matrix, PackOrder::kByUnit, pool, arena);
    std::vector<AlignedBuffer> copies;
    for (size_t i = 0; i < pool.size(); ++i) copies.emplace_back(changed.slice_bytes());
    EXPECT_EQ(copies[0].size() * kLanes, cpu::kSliceOutputs * want.bytes() / want.n_panel()) << "panels take a slice's place";
    changed.lay_in_panels(pool, copies);
    EXPECT_FALSE(changed.by_unit());
    EXPECT_EQ(changed.bytes(), want.bytes());
    const auto x = random_floats(3 * cols, 1);
    EXPECT_TRUE(same_bits(run_linear(cpu::kScalarTable, changed, x, cols, 3), run_linear(cpu::kScalarTable, want, x, cols, 3)))
        << n_out << " outputs";
  }
}
INSTANTIATE_TEST_SUITE_P(types, LinearByUnit,
                         testing::Values(DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ4_K,
                                         DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kF16, DType::kBF16),
                         [](const auto& p) { return std::string(name(p.param)); });

INSTANTIATE_TEST_SUITE_P(types, LinearBlocks, testing::ValuesIn(kBlockTypes),
                         [](const auto& p) { return std::string(name(p.param)); });

TEST(epilogue, equals_the_formulas) {
  const size_t n = 48, rows = 3;
  const auto y = random_floats(n * rows, 1, -4, 4), bias = random_floats(n, 2), gate = random_floats(n * rows, 3),
             base = random_floats(n * rows, 4), diff = random_floats(n * rows, 5), old = random_floats(n * rows, 6);
  for (int act = 0; act <= 6; ++act)
    for (int form = 0; form < 16; ++form) {
      const bool with_bias = form & 1, with_gate = form & 2, with_mix = form & 4, add = form & 8;
      const auto run = [&](const KernelTable& table) {
        std::vector<float> out = old;
        table.epilogue({static_cast<cpu::ActKind>(act), add, rows, n / kLanes, kLanes, y.data(), n, with_bias ? bias.data() : nullptr,
                        with_gate ? gate.data() : nullptr, with_mix ? base.data() : nullptr,
                        with_mix ? diff.data() : nullptr, n, n, n, out.data(), n});
        return out;
      };
      const auto want = run(cpu::kScalarTable);
      for_each_table([&](const KernelTable& table) {
        EXPECT_TRUE(same_bits(run(table), want)) << table.name << " act " << act << " form " << form;
      });
      for (size_t i = 0; i < want.size(); ++i) {
        double v = static_cast<double>(y[i]) + (with_bias ? static_cast<double>(bias[i % n]) : 0.0);
        v = reference::activate(static_cast<Act>(act), v);
        if (with_gate) v *= static_cast<double>(gate[i]);
        if (with_mix) v = static_cast<double>(base[i]) + static_cast<double>(diff[i]) * v;
        if (add) v += static_cast<double>(old[i]);
        ASSERT_NEAR(want[i], v, 2e-6 * (1 + std::abs(v))) << "act " << act << " form " << form;
      }
    }
}

TEST(activation, is_accurate_over_its_range) {
  for (int act = 1; act <= 6; ++act)
    for (float from = -90; from < 90; from += 0.37f) {
      std::vector<float> y(kLanes), out(kLanes, NAN);
      for (size_t i = 0; i < kLanes; ++i) y[i] = from + 0.02f * static_cast<float>(i);
      cpu::kScalarTable.epilogue({static_cast<cpu::ActKind>(act), false, 1, 1, 0, y.data(), kLanes, nullptr, nullptr,
                                  nullptr, nullptr, 0, 0, 0, out.data(), kLanes});
      for (size_t i = 0; i < kLanes; ++i) {
        const double want = reference::activate(static_cast<Act>(act), static_cast<double>(y[i]));
        // Below e^-87 the kernels give 1e-38 instead of less, times |x| in silu.
        // exp(-exp(x)) doubles the relative error of its inner exp by e^x, where the value is not yet 0.
        const double tolerance = act == 5 ? 1e-5 : 3e-7;
        ASSERT_NEAR(out[i], want, tolerance * std::abs(want) + 1e-35) << "act " << act << " at " << y[i];
      }
    }
}

TEST(norm, equals_the_scalar_twin_and_the_formula) {
  for (const size_t n : {1, 15, 16, 17, 48, 100})
    for (const bool rms : {false, true}) {
      const auto x = random_floats(n, n, -3, 5), weight = random_floats(n, 2), bias = random_floats(n, 3);
      const auto run = [&](const KernelTable& table) {
        std::vector<float> out(n, NAN);
        table.norm({x.data(), weight.data(), rms ? nullptr : bias.data(), n, 1e-5f, rms, out.data()});
        return out;
      };
      const auto want = run(cpu::kScalarTable);
      for_each_table([&](const KernelTable& table) {
        EXPECT_TRUE(same_bits(run(table), want)) << table.name << " n " << n;
      });
      double mean = 0, square = 0;
      for (const float v : x) mean += rms ? 0 : static_cast<double>(v) / static_cast<double>(n);
      for (const float v : x) square += std::pow(static_cast<double>(v) - mean, 2) / static_cast<double>(n);
      for (size_t i = 0; i < n; ++i) {
        const double y = (static_cast<double>(x[i]) - mean) / std::sqrt(square + 1e-5f) * static_cast<double>(weight[i]) +
                         (rms ? 0.0 : static_cast<double>(bias[i]));
        ASSERT_NEAR(want[i], y, n == 1 && !rms ? 1e-3 : 5e-6) << "n " << n;
      }
    }
}

struct HeadCase {
  size_t size, n_row;
  std::vector<float> r, k, v, w, a, mix, first, gate, u, k_k, k_a, weight, bias, state;
  HeadCase(size_t size_in, size_t n_row_in) : size(size_in), n_row(n_row_in) {
    const size_t n = size * n_row;
    r = random_floats(n, 1), k = random_floats(n, 2), v = random_floats(n, 3), w = random_floats(n, 4, 0.5f, 1);
    a = random_floats(n, 5, 0, 1), mix = random_floats(n, 6, 0, 1), first = random_floats(n, 7);
    gate = random_floats(n, 8), u = random_floats(size, 9), k_k = random_floats(size, 10);
    k_a = random_floats(size, 11), weight = random_floats(size, 12), bias = random_floats(size, 13);
    state = random_floats(size * size, 14);
  }
  cpu::HeadArgs args(std::vector<float>& out, std::vector<float>& s, bool norm) {
    return {n_row, size, r.data(), k.data(), v.data(), gate.data(), out.data(), size, size, size, size, size,
            s.data(), norm ? weight.data() : nullptr, bias.data(), 64e-5f};
  }
};

TEST(wkv7, equals_the_scalar_twin_for_every_head_size) {
  for (const size_t size : {1, 8, 16, 20, 64, 65, 128})
    for (const size_t n_row : {1, 3})
      for (const bool norm : {false, true}) {
        HeadCase c(size, n_row);
        const auto run = [&](const KernelTable& table, std::vector<float>& state) {
          std::vector<float> out(size * n_row, NAN);
          table.wkv7({c.args(out, state, norm), c.w.data(), c.a.data(), c.mix.data(), c.first.data(), size, size, size,
                      size, c.k_k.data(), c.k_a.data(), c.u.data()});
          return out;
        };
        std::vector<float> want_state = c.state;
        const auto want = run(cpu::kScalarTable, want_state);
        for_each_table([&](const KernelTable& table) {
          std::vector<float> state = c.state;
          EXPECT_TRUE(same_bits(run(table, state), want)) << table.name << " size " << size;
          EXPECT_TRUE(same_bits(state, want_state)) << table.name << " size " << size;
        });
      }
}

TEST(wkv6, equals_the_scalar_twin_for_every_head_size) {
  for (const size_t size : {1, 8, 16, 20, 64, 65, 128})
    for (const bool bonus : {false, true}) {
      HeadCase c(size, 3);
      const auto run = [&](const KernelTable& table, std::vector<float>& state) {
        std::vector<float> out(size * 3, NAN);
        table.wkv6({c.args(out, state, bonus), c.w.data(), size, bonus ? c.u.data() : nullptr});
        return out;
      };
      std::vector<float> want_state = c.state;
      const auto want = run(cpu::kScalarTable, want_state);
      for_each_table([&](const KernelTable& table) {
        std::vector<float> state = c.state;
        EXPECT_TRUE(same_bits(run(table, state), want)) << table.name << " size " << size;
        EXPECT_TRUE(same_bits(state, want_state)) << table.name << " size " << size;
      });
    }
}

TEST(tables, are_chosen_by_name) {
  EXPECT_STREQ(cpu::choose_table("scalar").name, "scalar");
  try {
    cpu::choose_table("mmx");
    FAIL() << "mmx was accepted";
  } catch (const Error& error) {
    EXPECT_NE(error.sentence().find("scalar"), std::string::npos) << error.sentence();
  }
}

}  // namespace
}  // namespace rwkv::test::kernels_test
