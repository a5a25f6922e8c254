// Encoders of the block types: never above the errors that ggml's quantizer was measured to make, sensible on
// odd blocks, deterministic.
#include <algorithm>
#include <bit>
#include <random>
#include <sstream>

#include "base/half.h"
#include "support/golden.h"
#include "tensor/blocks/encoders.h"
#include "tensor/dtype.h"

namespace rwkv::test::encode_test {
namespace {

std::vector<DType> encoded_types() {
  std::vector<DType> out;
  for (size_t i = 0; i < static_cast<size_t>(DType::kCount); ++i) {
    const DTypeInfo& type = info(static_cast<DType>(i));
    if (type.encode && type.block_values > 1) out.push_back(type.dtype);
  }
  return out;
}

std::vector<std::byte> encode(DType dtype, const std::vector<float>& x, const float* importance = nullptr) {
  const DTypeInfo& type = info(dtype);
  std::vector<std::byte> out(bytes_of(dtype, x.size()));
  type.encode(x.data(), x.size() / type.block_values, importance, out.data());
  return out;
}
std::vector<float> decode(DType dtype, const std::vector<std::byte>& bytes) {
  const DTypeInfo& type = info(dtype);
  const size_t n_block = bytes.size() / type.block_bytes;
  std::vector<float> out(n_block * type.block_values, NAN);
  type.decode(bytes.data(), n_block, out.data());
  return out;
}
std::vector<float> round_trip(DType dtype, const std::vector<float>& x, const float* importance = nullptr) {
  return decode(dtype, encode(dtype, x, importance));
}

// Sum of importance * (a - b)^2; b null: of a^2.
double squares(const std::vector<float>& a, const std::vector<float>* b = nullptr,
               const float* importance = nullptr) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - (b ? static_cast<double>((*b)[i]) : 0.0);
    sum += d * d * (importance ? static_cast<double>(importance[i]) : 1.0);
  }
  return sum;
}
double rmse(const std::vector<float>& a, const std::vector<float>& b) {
  return std::sqrt(squares(a, &b) / static_cast<double>(a.size()));
}

// Nearly normal, the same numbers everywhere.
float normal(std::mt19937_64& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(random() >> 11) * 0x1p-53;
  return static_cast<float>(sum);
}
std::vector<float> normal_values(size_t n, uint64_t seed, float size = 1) {
  std::mt19937_64 random(seed);
  std::vector<float> out(n);
  for (float& x : out) x = size * normal(random);
  return out;
}

class Encode : public testing::TestWithParam<DType> {};

// A column of rmse.csv, and the rows of 256 of input.f32 that it is of.
struct Kind {
  const char* column;
  size_t first, last;
  bool relative;
};
constexpr Kind kKinds[] = {{"rmse_normal", 0, 16, false},
                           {"rmse_outlier_row", 16, 17, false},
                           {"rmse_heavy_tail_row", 17, 18, false},
                           {"relative_rmse_tiny_row", 18, 19, true},
                           {"rmse_constant_row", 20, 21, false},
                           {"rmse_one_sided_row", 21, 22, false},
                           {"relative_rmse_large_row", 22, 23, true},
                           {"rmse_single_value_row", 23, 24, false}};

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> out;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) out.push_back(cell);
  return out;
}

TEST_P(Encode, errs_no_more_than_ggml) {
  SKIP_WITHOUT(golden("blocks/rmse.csv"));
  const auto input = read_vector<float>(golden("blocks/input.f32"));
  std::ifstream file(golden("blocks/rmse.csv"));
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> head = cells(line);
  bool found = false;
  while (std::getline(file, line)) {
    const std::vector<std::string> row = cells(line);
    if (row[0] != name(GetParam())) continue;
    found = true;
    const std::vector<float> got = round_trip(GetParam(), input);
    for (const Kind& kind : kKinds) {
      const auto part = [&](const std::vector<float>& all) {
        return std::vector<float>(all.begin() + static_cast<ptrdiff_t>(256 * kind.first),
                                  all.begin() + static_cast<ptrdiff_t>(256 * kind.last));
      };
      const std::vector<float> want = part(input);
      double error = rmse(part(got), want);
      if (kind.relative) error /= std::sqrt(squares(want) / static_cast<double>(want.size()));
      const size_t column =
          static_cast<size_t>(std::find(head.begin(), head.end(), kind.column) - head.begin());
      EXPECT_LE(error, std::stod(row.at(column)) + 5e-7) << kind.column;  // printed to six places
    }
    EXPECT_EQ(squares(std::vector<float>(got.begin() + 256 * 19, got.begin() + 256 * 20)), 0)
        << "a row of zeros";
  }
  EXPECT_TRUE(found);
}

struct Limits {
  DType dtype;
  // Errors of values around 1 and around 1e-6, in their units, as reached when this was written.
  double normal, tiny;
  // Half a step of the levels and of the group's scale (and minimum), as a share of the block's largest
  // value.
  double worst;
};
constexpr Limits kLimits[] = {
    {DType::kQ4_0, 0.0792, 0.0851, 0.5 / 7},
    {DType::kQ4_1, 0.0684, 0.0788, 1.0 / 15},
    {DType::kQ5_0, 0.03931, 0.04804, 0.5 / 15},
    {DType::kQ5_1, 0.0336, 0.0477, 1.0 / 31},
    {DType::kQ8_0, 0.00467, 0.01718, 0.5 / 127},
    {DType::kQ2_K, 0.2567, 0.2586, 1.0 / 3 + 2.0 / 30},
    {DType::kQ3_K, 0.1405, 0.1431, 0.5 / 3 + 1.0 / 62},
    {DType::kQ4_K, 0.069, 0.0797, 1.0 / 15 + 2.0 / 126},
    {DType::kQ5_K, 0.03433, 0.0671, 1.0 / 31 + 2.0 / 126},
    {DType::kQ6_K, 0.0161, 0.0274, 0.5 / 31 + 1.0 / 254},
    {DType::kIQ4_NL, 0.07205, 0.1985, 12.0 / 113},
    {DType::kIQ4_XS, 0.0725, 0.1969, 12.0 / 113 + 1.0 / 62},
};
const Limits& limits_of(DType dtype) {
  const auto* found =
      std::find_if(std::begin(kLimits), std::end(kLimits), [&](const Limits& l) { return l.dtype == dtype; });
  EXPECT_NE(found, std::end(kLimits)) << name(dtype);
  return found == std::end(kLimits) ? kLimits[0] : *found;
}

TEST_P(Encode, errs_no_more_than_it_did) {
  const Limits& limits = limits_of(GetParam());
  const auto values = normal_values(64 * 256, 1), tiny = normal_values(64 * 256, 2, 1e-6f);
  EXPECT_LE(rmse(round_trip(GetParam(), values), values), limits.normal * 1.005);
  EXPECT_LE(rmse(round_trip(GetParam(), tiny), tiny), 1e-6 * limits.tiny * 1.005);
}

// Any distribution: powers of a normal value, shifted, with zeros; root mean square and never more than the
// worst case.
TEST_P(Encode, errs_within_its_steps) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    const double power = 0.2 + static_cast<double>(random() % 40) / 10,
                 shift = static_cast<double>(random() % 7) - 3;
    const double size = std::exp(static_cast<double>(random() % 14) - 7);
    const uint64_t zeros = random() % 8;
    std::vector<float> x(256);
    for (float& value : x) {
      const double v = static_cast<double>(normal(random));
      const double shaped = std::copysign(std::pow(std::abs(v), power), v) + (round % 2 ? shift : 0.0);
      value = random() % 8 < zeros ? 0.0f : static_cast<float>(size * shaped);
    }
    double largest = 0;
    for (const float value : x) largest = std::max(largest, std::abs(static_cast<double>(value)));
    ASSERT_LE(rmse(round_trip(GetParam(), x), x), 1.001 * limits_of(GetParam()).worst * largest)
        << "power " << power << " shift " << shift << " size " << size << " round " << round;
  }
}

// Blocks of every size and shape: the error is never above the signal, and within what the type's steps
// allow.
TEST_P(Encode, is_bounded_on_odd_blocks) {
  std::mt19937_64 random(3);
  std::vector<std::vector<float>> cases(10, std::vector<float>(256));
  for (size_t i = 0; i < 256; ++i) {
    cases[1][i] = i == 77 ? -3.5f : 0.0f;
    cases[2][i] = 0.3f;
    cases[3][i] = i % 2 ? 0.7f : -0.7f;
    cases[4][i] = i == 200 ? 40.0f : 0.01f * normal(random);
    cases[5][i] = 100 + normal(random);
    cases[6][i] = i < 128 ? 0.0f : normal(random);
    cases[7][i] = static_cast<float>(i) - 128;
    cases[8][i] = i % 32 == 0 ? -1.0f : 0.0f;
    cases[9][i] = std::exp(8 * normal(random)) * (random() % 2 ? 1.0f : -1.0f);
  }
  for (size_t c = 0; c < cases.size(); ++c)
    for (const float size : {1e-30f, 1e-9f, 1e-7f, 1e-6f, 1e-3f, 1.0f, 3e3f}) {
      std::vector<float> x = cases[c];
      for (float& value : x) value *= size;
      const std::vector<float> got = round_trip(GetParam(), x);
      for (const float value : got) ASSERT_TRUE(std::isfinite(value)) << "case " << c << " size " << size;
      // A block of 1e30 and more of small values has no room for more than itself.
      EXPECT_LE(squares(got, &x), squares(x) * 1.0001) << "case " << c << " size " << size;
      if (c == 0) {
        EXPECT_EQ(squares(got), 0);
      }
    }
}

TEST_P(Encode, takes_values_that_it_cannot_hold) {
  std::vector<float> x = normal_values(512, 4);
  x[3] = 3e38f, x[40] = -3e38f, x[100] = 1e-42f, x[300] = INFINITY, x[301] = -INFINITY;
  for (const float value : round_trip(GetParam(), x)) EXPECT_TRUE(std::isfinite(value));
  x[5] = NAN;
  encode(GetParam(), x);  // no promise but to return
}

TEST_P(Encode, treats_each_block_alone) {
  const DTypeInfo& type = info(GetParam());
  const auto x = normal_values(7 * type.block_values, 5);
  const auto importance = normal_values(x.size(), 6);
  std::vector<float> weight(x.size());
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = std::abs(importance[i]);
  for (const float* w : {static_cast<const float*>(nullptr), static_cast<const float*>(weight.data())}) {
    const auto all = encode(GetParam(), x, w);
    EXPECT_TRUE(same_bits(all, encode(GetParam(), x, w)));
    for (size_t block = 0; block < 7; ++block) {
      std::vector<std::byte> one(type.block_bytes);
      type.encode(x.data() + block * type.block_values, 1, w ? w + block * type.block_values : nullptr,
                  one.data());
      EXPECT_EQ(std::memcmp(one.data(), all.data() + block * type.block_bytes, one.size()), 0)
          << "block " << block;
    }
  }
}

TEST_P(Encode, follows_importance) {
  const auto x = normal_values(64 * 256, 7);
  std::vector<float> importance(x.size());
  std::mt19937_64 random(8);
  for (float& w : importance) w = random() % 4 == 0 ? 30.0f : 0.3f;
  const auto plain = round_trip(GetParam(), x), weighted = round_trip(GetParam(), x, importance.data());
  const double before = squares(plain, &x, importance.data()),
               after = squares(weighted, &x, importance.data());
  if (GetParam() == DType::kQ8_0)
    EXPECT_LE(after, before);
  else
    EXPECT_LE(after, 0.97 * before);
  // Equal importances, whatever their size, are none.
  std::fill(importance.begin(), importance.end(), 0.0f);
  EXPECT_TRUE(same_bits(encode(GetParam(), x, importance.data()), encode(GetParam(), x)));
  std::fill(importance.begin(), importance.end(), 4096.0f);
  EXPECT_NEAR(rmse(round_trip(GetParam(), x, importance.data()), x) / rmse(plain, x), 1, 1e-3);
}

INSTANTIATE_TEST_SUITE_P(types, Encode, testing::ValuesIn(encoded_types()),
                         [](const auto& p) { return std::string(name(p.param)); });

// Blocks of every size, also so small that scales are subnormal, side by side in one vector.
TEST(encode, vectors_of_four_and_of_eight_give_the_same_bytes) {
  const blocks::Encoders& four = blocks::encoders_of_four();
  const blocks::Encoders* eight = blocks::encoders_of_eight();
  if (!eight) GTEST_SKIP() << "no vectors of eight here";
  using Pick = blocks::Encode blocks::Encoders::*;
  const std::pair<DType, Pick> kTypes[] = {
      {DType::kQ4_0, &blocks::Encoders::q4_0},     {DType::kQ4_1, &blocks::Encoders::q4_1},
      {DType::kQ5_0, &blocks::Encoders::q5_0},     {DType::kQ5_1, &blocks::Encoders::q5_1},
      {DType::kQ8_0, &blocks::Encoders::q8_0},     {DType::kQ2_K, &blocks::Encoders::q2_k},
      {DType::kQ3_K, &blocks::Encoders::q3_k},     {DType::kQ4_K, &blocks::Encoders::q4_k},
      {DType::kQ5_K, &blocks::Encoders::q5_k},     {DType::kQ6_K, &blocks::Encoders::q6_k},
      {DType::kIQ4_NL, &blocks::Encoders::iq4_nl}, {DType::kIQ4_XS, &blocks::Encoders::iq4_xs}};
  std::vector<float> x = normal_values(96 * 256, 11), importance = normal_values(x.size(), 12);
  for (float& w : importance) w *= w;
  for (size_t i = 0; i < x.size(); ++i) x[i] *= std::pow(10.0f, static_cast<float>(i / 32 % 13) - 9);
  for (const auto& [dtype, pick] : kTypes)
    for (const float* w : {static_cast<const float*>(nullptr), static_cast<const float*>(importance.data())}) {
      const size_t n = x.size() / info(dtype).block_values - 3;  // not a multiple of either width
      std::vector<std::byte> a(n * info(dtype).block_bytes), b(a.size());
      (four.*pick)(x.data(), n, w, a.data());
      (eight->*pick)(x.data(), n, w, b.data());
      EXPECT_TRUE(a == b) << name(dtype) << (w ? " with importances" : "");
    }
}

// What an encoder wrote once it writes again: the values that a block holds are found.
TEST(encode, reads_every_half_float) {
  std::vector<uint16_t> halves(65536 + 3);  // and a rest that fills no vector
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> got(halves.size());
  blocks::decode_f16(reinterpret_cast<const std::byte*>(halves.data()), halves.size(), got.data());
  for (size_t i = 0; i < halves.size(); ++i)
    ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(f16_to_f32(halves[i]))) << i;
}

TEST(encode, keeps_what_it_wrote) {
  for (const DType dtype : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0})
    for (const float size : {1e-6f, 1e-4f, 0.02f, 1.0f, 500.0f})
      for (const float offset : {0.0f, 2.0f}) {
        auto x = normal_values(64 * 32, 9, size);
        for (float& value : x) value += offset * size;
        const auto once = round_trip(dtype, x);
        EXPECT_EQ(round_trip(dtype, once), once) << name(dtype) << " size " << size << " offset " << offset;
      }
}

TEST(encode, q8_0_is_within_a_few_steps) {
  for (const float size : {1e-5f, 1.0f, 1e4f}) {
    const auto x = normal_values(64 * 32, 10, size);
    const auto got = round_trip(DType::kQ8_0, x);
    for (size_t i = 0; i < x.size(); ++i) {
      float largest = 0;
      for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) largest = std::max(largest, std::abs(x[j]));
      // The largest value maps to 120..127: half a step of 1/120, and the half float's rounding 127 times
      // (2^-11 in all, or 2^-25 a step and two units more where it is subnormal).
      EXPECT_LE(std::abs(got[i] - x[i]), largest / 240 + std::max(largest * 0x1p-11f, 127 * 0x1p-25f));
    }
  }
}

}  // namespace
}  // namespace rwkv::test::encode_test
