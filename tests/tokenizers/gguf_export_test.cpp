// A tokenizer written for GGUF, or as a vocabulary file, and read again is the same tokenizer.
#include "tokenizers/gguf_export.h"

#include "support/golden.h"
#include "token_test_util.h"

namespace rwkv::test::gguf_export_test {
namespace {

void expect_same(const Tokenizer& got, const Tokenizer& want) {
  for (size_t id = 1; id < want.n_token(); ++id) {
    const auto token = static_cast<Token>(id);
    ASSERT_EQ(got.bytes_of(token, Special::kParse), want.bytes_of(token, Special::kParse)) << id;
    ASSERT_EQ(got.is_control(token), want.is_control(token)) << id;
  }
}

TEST(GgufExport, world_comes_back_from_gguf_and_from_its_text_form) {
  const auto world = builtin_world_tokenizer();
  const GgufVocabulary v = export_world(*world, 65536);
  ASSERT_EQ(v.tokens.size(), 65536u);
  EXPECT_EQ(v.tokens[0], "<s>");
  EXPECT_EQ(v.tokens[11], "\\n");
  EXPECT_EQ(v.tokens[65535], "[PAD65535]");
  EXPECT_EQ(v.types[0], 3);
  EXPECT_EQ(v.types[1], 1);
  EXPECT_EQ(v.types[65535], 5);
  expect_same(*make_world_from_gguf(v.tokens, v.types, "gguf"), *world);
  expect_same(*parse_world_vocabulary(world_vocabulary_text(*world), "text"), *world);
}

TEST(GgufExport, rows_beyond_the_vocabulary_are_unused) {
  const auto world = builtin_world_tokenizer();
  const GgufVocabulary v = export_world(*world, 65600);
  ASSERT_EQ(v.tokens.size(), 65600u);
  EXPECT_EQ(v.tokens.back(), "[PAD65599]");
}

void check_bpe(const std::string& file, const std::string& pre, size_t n_vocab) {
  if (!has_golden("tokenizers")) GTEST_SKIP() << "no golden data";
  const std::string path = unpack("tokenizers/" + file);
  ASSERT_FALSE(path.empty());
  const std::string json = read_all(path);
  std::filesystem::remove(path);
  const auto want = parse_tokenizer_json(json, file);
  const GgufVocabulary v = export_tokenizer_json(json, file, n_vocab);
  EXPECT_EQ(v.model, "gpt2");
  EXPECT_EQ(v.pre, pre);
  EXPECT_EQ(v.tokens.size(), n_vocab);
  const auto got = make_bpe_from_gguf(v.tokens, v.types, v.merges, v.pre, file);
  expect_same(*got, *want);
  for (const char* text :
       {"Hello, world!", "  two  spaces\n\n\tand tabs", "x = 3.14159; // \xc3\xa9t\xc3\xa9",
        "<|endoftext|>", "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c",
        "don't I'LL 12345"})
    for (const Special special : {Special::kAsText, Special::kParse})
      EXPECT_EQ(got->encode(text, special), want->encode(text, special)) << text;
}

TEST(GgufExport, neox_20b_comes_back) { check_bpe("20B_tokenizer.json", "gpt-neox", 50304); }
TEST(GgufExport, qwen3_comes_back) { check_bpe("qwen3_tokenizer.json", "qwen2", 151936); }

}  // namespace
}  // namespace rwkv::test::gguf_export_test
