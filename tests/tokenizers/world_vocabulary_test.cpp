// The text form, line by line.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "token_test_util.h"
#include "tokenizers/python_literal.h"

namespace rwkv::test::world_vocabulary_test {
namespace {

// Lines 1 to 256: the single bytes.
std::string byte_lines(std::string_view end = "\n") {
  std::string out;
  for (unsigned byte = 0; byte < 256; ++byte) {
    char line[40];
    snprintf(line, sizeof line, "%u b'\\x%02x' 1", byte + 1, byte);
    out += line;
    out += end;
  }
  return out;
}

std::string bytes_of_line(const std::string& line) {
  const auto tokenizer = parse_world_vocabulary(byte_lines() + line, "v");
  return std::string(tokenizer->bytes_of(300, Special::kParse));
}

TEST(world_vocabulary, reads_literals) {
  EXPECT_EQ(bytes_of_line("300 'ab c' 4"), "ab c");
  EXPECT_EQ(bytes_of_line("300 '  ' 2\n"), "  ");
  EXPECT_EQ(bytes_of_line("300 \"it's\" 4\r\n"), "it's");
  EXPECT_EQ(bytes_of_line("300 '\\\\\\'\\n\\r\\t' 5\n"), "\\'\n\r\t");
  EXPECT_EQ(bytes_of_line("300 '\\xe9' 2\n"), "\xc3\xa9");  // a code point in text ...
  EXPECT_EQ(bytes_of_line("300 b'\\xE9\\x41' 2\n"), "\xe9" "A");  // ... a byte in bytes
  EXPECT_EQ(bytes_of_line("300 '\\u4f60' 3\n"), "\xe4\xbd\xa0");
  EXPECT_EQ(bytes_of_line("300 '\\U0001F600' 4\n"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(bytes_of_line("300 '\xe4\xbd\xa0' 3\n"), "\xe4\xbd\xa0");
}

TEST(world_vocabulary, takes_both_line_ends_and_holes) {
  const auto tokenizer = parse_world_vocabulary(byte_lines("\r\n") + "400 'abc' 3\r\n\r\n", "v");
  EXPECT_EQ(tokenizer->n_token(), 401u);
  EXPECT_EQ(tokenizer->encode("abca", Special::kAsText), (std::vector<Token>{400, 'a' + 1}));
  EXPECT_EQ(tokenizer->bytes_of(399, Special::kParse), "");
  EXPECT_TRUE(tokenizer->is_control(0));
  EXPECT_EQ(tokenizer->bytes_of(0, Special::kParse), "");
}

TEST(world_vocabulary, refuses_bad_lines_by_their_number) {
  const std::string long_token = "300 '" + std::string(1025, 'a') + "' 1025";
  std::vector<std::string> lines = {
      "300 'ab' 3", "300 'ab' 1", "300 'ab'", "300", "300 'ab' x", "300 'ab' -2",
      "300 'ab' 99999999999999999999", "'ab' 2", "-1 'ab' 2", "x 'ab' 2", " 'ab' 2",
      "1048576 'ab' 2", "2147483648 'ab' 2", "18446744073709551617 'ab' 2", "12 'ab' 2",
      "300 ab 2", "300 'ab\" 2", "300 'a'b' 3", "300 '' 0", "300 ' 1", "300 b 1", "300 u'ab' 2",
      "300 '\\' 1", "300 '\\x4' 1", "300 '\\xzz' 1", "300 '\\u12' 1", "300 '\\ud800' 3",
      "300 '\\U00110000' 4", "300 '\\0' 1", "300 '\\101' 1", "300 '\\N{DIGIT ONE}' 1",
      "300 '\\q' 2", "300 b'\\u0041' 1", "300 b'\xc3\xa9' 2", "300 '\xff' 1", "\n300 'ab' 2"};
  lines.push_back(long_token);
  for (const std::string& bad : lines) {
    const std::string error =
        error_of([&] { parse_world_vocabulary(byte_lines() + bad + "\n301 'xy' 2\n", "bad.txt"); });
    EXPECT_TRUE(holds(error, "bad.txt: line 257:")) << bad << " -> " << error;
  }
}

TEST(world_vocabulary, refuses_missing_bytes_and_nothing_at_all) {
  EXPECT_TRUE(holds(error_of([] { parse_world_vocabulary("", "none.txt"); }), "none.txt"));
  EXPECT_TRUE(holds(error_of([] { parse_world_vocabulary("1 'a' 1\n", "one.txt"); }), "one.txt"));
  const std::string zeros(9, '\0');
  EXPECT_TRUE(holds(error_of([&] { parse_world_vocabulary(zeros, "nul"); }), "line 1:"));
}

RC_GTEST_PROP(world_vocabulary, survives_any_damage, ()) {
  std::string text = byte_lines() + "257 'ab' 2\n258 \"\\u4f60\" 3\n";
  const int n_change = *rc::gen::inRange(1, 4);
  for (int i = 0; i < n_change; ++i)
    text[*rc::gen::inRange<size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
  try {
    const auto tokenizer = parse_world_vocabulary(text, "damaged");
    const std::vector<Token> ids = tokenizer->encode(text, Special::kAsText);
    RC_ASSERT(tokenizer->decode(ids, Special::kAsText) == text);
  } catch (const Error& error) {
    RC_ASSERT(holds(error.sentence(), "damaged: "));
  }
}

TEST(builtin_world, knows_its_landmarks) {
  const auto tokenizer = builtin_world_tokenizer();
  EXPECT_EQ(tokenizer->n_token(), 65536u);
  EXPECT_EQ(tokenizer->find("\n\n"), Token{261});
  EXPECT_EQ(tokenizer->encode("User: hi\n\nAssistant:", Special::kParse),
            (std::vector<Token>{24281, 59, 4571, 261, 5585, 41693, 59}));
  EXPECT_EQ(tokenizer->encode(std::string(128, ' '), Special::kAsText), std::vector<Token>{65529});
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_EQ(tokenizer->find(std::string(1, static_cast<char>(byte))), Token{byte + 1});
  for (Token id : {0, 65530, 65535}) EXPECT_EQ(tokenizer->bytes_of(id, Special::kParse), "");
  EXPECT_TRUE(tokenizer->is_control(0));
}

}  // namespace
}  // namespace rwkv::test::world_vocabulary_test
