#include "tokenizers/unicode.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "token_test_util.h"

namespace rwkv::test::unicode_test {
namespace {

std::string utf8(std::initializer_list<uint32_t> points) {
  std::string out;
  for (uint32_t point : points) append_utf8(out, point);
  return out;
}

TEST(unicode, classes) {
  for (uint32_t c : {0x41u, 0x7au, 0xaau, 0xe9u, 0x4e00u, 0x9fffu, 0xac00u, 0x1c89u, 0x31350u})
    EXPECT_EQ(char_class(c), CharClass::kLetter) << c;
  for (uint32_t c : {0x30u, 0x39u, 0xb2u, 0x663u, 0x2167u, 0x3007u, 0x1d7ceu})
    EXPECT_EQ(char_class(c), CharClass::kNumber) << c;
  for (uint32_t c : {0x9u, 0xdu, 0x20u, 0x85u, 0xa0u, 0x1680u, 0x200au, 0x2028u, 0x3000u})
    EXPECT_EQ(char_class(c), CharClass::kSpace) << c;
  for (uint32_t c : {0x0u, 0x8u, 0xeu, 0x1cu, 0x21u, 0x40u, 0x5bu, 0x60u, 0x7bu, 0x7fu, 0x180eu,
                     0x200bu, 0x301u, 0x1f600u, 0x378u, 0x10ffffu, kInvalidPoint})
    EXPECT_EQ(char_class(c), CharClass::kOther) << c;
}

TEST(nfc, examples_of_the_annex) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {utf8({'e', 0x301}), utf8({0xe9})},
      {utf8({0x212b}), utf8({0xc5})},                                   // singleton
      {utf8({0x1e9b, 0x323}), utf8({0x1e9b, 0x323})},
      {utf8({0x1e0a, 0x323}), utf8({0x1e0c, 0x307})},                   // reordered
      {utf8({'q', 0x307, 0x323}), utf8({'q', 0x323, 0x307})},
      {utf8({0x958}), utf8({0x915, 0x93c})},                            // excluded from composition
      {utf8({0x344}), utf8({0x308, 0x301})},
      {utf8({0x1100, 0x1161, 0x11a8}), utf8({0xac01})},                 // Hangul
      {utf8({0xac00, 0x11a8}), utf8({0xac01})},
      {utf8({0xac00, 0x11a7}), utf8({0xac00, 0x11a7})},
      {utf8({0xac01, 0x11a8}), utf8({0xac01, 0x11a8})},
      {utf8({0x301, 'e'}), utf8({0x301, 'e'})},                         // nothing to compose with
      {utf8({'a', 0x31b, 0x301}), utf8({0xe1, 0x31b})},
      {utf8({'a', 0x302, 0x302, 0x301}), utf8({0xe2, 0x302, 0x301})},   // blocked by an equal class
      {utf8({0xf71, 0xf72}), utf8({0xf71, 0xf72})},
      {utf8({0x11099, 0x110ba}), utf8({0x1109a})},
      {utf8({0x1f82}), utf8({0x1f82})},
      {utf8({0x3b1, 0x313, 0x300, 0x345}), utf8({0x1f82})}};
  for (const auto& [text, want] : cases) EXPECT_EQ(to_nfc(text), want) << json_quote(text);
}

TEST(nfc, ill_formed_bytes_stay_and_nothing_composes_across_them) {
  EXPECT_EQ(to_nfc("e\xff\xcc\x81"), "e\xff\xcc\x81");
  EXPECT_EQ(to_nfc("e\xcc\x81\xcc"), "\xc3\xa9\xcc");
  EXPECT_EQ(to_nfc("\xed\xa0\x80" "e\xcc\x81"), "\xed\xa0\x80\xc3\xa9");
  EXPECT_EQ(to_nfc(""), "");
}

RC_GTEST_PROP(nfc, once_is_enough_and_parts_are_independent, ()) {
  const auto points = *rc::gen::container<std::vector<uint32_t>>(rc::gen::element<uint32_t>(
      'a', 'e', ' ', 0x300, 0x301, 0x323, 0x345, 0x31b, 0x3099, 0xe9, 0x1e0a, 0x212b, 0x958, 0x1100,
      0x1161, 0x11a8, 0xac00, 0x4e00, 0x1f600));
  std::string text;
  for (uint32_t point : points) append_utf8(text, point);
  const std::string once = to_nfc(text);
  RC_ASSERT(is_valid_utf8(once));
  RC_ASSERT(to_nfc(once) == once);
  const std::string letter = "\xe4\xb8\x80";  // composes with nothing
  RC_ASSERT(to_nfc(text + letter + text) == once + letter + once);
}

RC_GTEST_PROP(nfc, text_below_u0300_is_untouched, ()) {
  std::string text;
  for (uint32_t point : *rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange(0u, 0x300u)))
    append_utf8(text, point);
  RC_ASSERT(to_nfc(text) == text);
}

}  // namespace
}  // namespace rwkv::test::unicode_test
