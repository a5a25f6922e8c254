#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace rwkv::half_test {
namespace {

// The definition: sign, exponent, fraction.
double half_value(unsigned bits) {
  const double sign = bits >> 15 ? -1 : 1;
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double fraction = (bits & 1023) / 1024.0;
  if (exponent == 31) return fraction > 0 ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(1 + fraction, exponent - 15) : std::ldexp(fraction, -14));
}

TEST(half, widens_every_value_exactly) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const double want = half_value(bits);
    const float got = f16_to_f32(static_cast<uint16_t>(bits));
    ASSERT_TRUE(std::isnan(want) ? std::isnan(got) : static_cast<double>(got) == want) << bits;
  }
}

TEST(half, narrows_what_it_widened) {
  for (unsigned bits = 0; bits < 65536; ++bits)
    ASSERT_TRUE(std::isnan(half_value(bits)) ||
                f32_to_f16(f16_to_f32(static_cast<uint16_t>(bits))) == bits) << bits;
}

TEST(half, rounds_to_nearest_even) {
  std::mt19937 random(3);
  for (int i = 0; i < 200000; ++i) {
    const float x = std::ldexp(std::uniform_real_distribution<float>(-2, 2)(random),
                               static_cast<int>(random() % 40) - 24);
    if (std::abs(x) >= 65504) continue;
    const uint16_t got = f32_to_f16(x);
    const double error = std::abs(half_value(got) - static_cast<double>(x));
    for (const int step : {-1, 1}) {
      const auto other = static_cast<uint16_t>(got + step);
      if ((other ^ got) >> 15) continue;
      const double other_error = std::abs(half_value(other) - static_cast<double>(x));
      ASSERT_TRUE(error < other_error || (error == other_error && got % 2 == 0)) << x;
    }
  }
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
}

TEST(bfloat, rounds_to_nearest_even) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // tie to even
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(NAN))));
}

}  // namespace
}  // namespace rwkv::half_test
