#include "base/error.h"

#include <clocale>
#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace rwkv::test::error_test {
namespace {

TEST(strf, puts_values_where_the_braces_are) {
  EXPECT_EQ(strf("{}: {} of {}", std::string("file"), 3, size_t{7}), "file: 3 of 7");
  EXPECT_EQ(strf("{} {}", std::numeric_limits<int64_t>::min(), std::numeric_limits<uint64_t>::max()),
            "-9223372036854775808 18446744073709551615");
  EXPECT_EQ(strf("{}{}", 'x', std::string_view("yz")), "xyz");
  EXPECT_EQ(strf("byte {}", uint8_t{65}), "byte 65");
  EXPECT_EQ(strf("{} {} {} {}", 0.5, 1e-5, 64e-5f, 1.0 / 3), "0.5 1e-05 0.00064 0.333333");
}

TEST(strf, leaves_braces_of_values_and_takes_too_few_or_too_many) {
  EXPECT_EQ(strf("{} and {}", "{}", 1), "{} and 1");
  EXPECT_EQ(strf("{} and {}", 1), "1 and {}");
  EXPECT_EQ(strf("only {}.", 1, 2), "only 1.");
}

// A program that holds the library may have chosen a language; what strf makes also goes into files.
TEST(strf, writes_a_point_in_every_locale) {
  if (!std::setlocale(LC_NUMERIC, "de_DE.UTF-8")) GTEST_SKIP() << "this machine has no locale with a comma";
  const std::string text = strf("{}", 0.5);
  std::setlocale(LC_NUMERIC, "C");
  EXPECT_EQ(text, "0.5");
}

}  // namespace
}  // namespace rwkv::test::error_test
