#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "token_test_util.h"

namespace rwkv::test::world_test {
namespace {

using Ids = std::vector<Token>;

// Small enough to try every entry at every place.
const std::vector<std::string>& toy_entries() {
  static const std::vector<std::string> entries = [] {
    std::vector<std::string> out = byte_entries();
    for (const char* text : {"ab", "abc", "abcabc", "bc", "aa", "aaaa", "\n\n", "\xc3\xa9", "<s",
                             "ba", "abab", "  ", "\xff\xfe"})
      out.emplace_back(text);
    out.emplace_back("<s>");  // the last id: a control token
    return out;
  }();
  return entries;
}
Token toy_control() { return static_cast<Token>(toy_entries().size() - 1); }
std::unique_ptr<Tokenizer> toy() {
  return make_world_tokenizer(toy_entries(), {0, toy_control()}, "toy");
}

Ids naive_longest_match(std::string_view text) {
  Ids out;
  while (!text.empty()) {
    size_t best = 0;
    for (size_t id = 1; id + 1 < toy_entries().size(); ++id)
      if (text.starts_with(toy_entries()[id]) &&
          toy_entries()[id].size() > (best ? toy_entries()[best].size() : 0))
        best = id;
    out.push_back(static_cast<Token>(best));
    text.remove_prefix(toy_entries()[best].size());
  }
  return out;
}

std::string toy_text() {
  const std::vector<std::string> parts = *rc::gen::container<std::vector<std::string>>(
      rc::gen::oneOf(
          rc::gen::element<std::string>("a", "b", "c", "ab", " ", "<", "s>", "\xc3", "\n"),
          rc::gen::map(rc::gen::arbitrary<char>(), [](char c) { return std::string(1, c); })));
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

RC_GTEST_PROP(world, encodes_like_the_naive_longest_match, ()) {
  static const auto tokenizer = toy();
  const std::string text = toy_text();
  RC_ASSERT(tokenizer->encode(text, Special::kAsText) == naive_longest_match(text));
}

RC_GTEST_PROP(world, decodes_what_it_encoded, (const std::string& text)) {
  static const auto small = toy();
  static const auto built_in = builtin_world_tokenizer();
  const std::string other = toy_text();
  for (const std::string& x : {text, other})
    for (const Tokenizer* tokenizer : {small.get(), built_in.get()}) {
      RC_ASSERT(tokenizer->decode(tokenizer->encode(x, Special::kAsText), Special::kAsText) == x);
      RC_ASSERT(tokenizer->decode(tokenizer->encode(x, Special::kParse), Special::kParse) == x);
    }
}

TEST(world, control_names_are_text_unless_parsed) {
  const auto tokenizer = toy();
  const Token name = toy_control();
  const Token less_s = *tokenizer->find("<s"), greater = '>' + 1, x = 'x' + 1;
  EXPECT_EQ(tokenizer->encode("<s>x", Special::kAsText), (Ids{less_s, greater, x}));
  EXPECT_EQ(tokenizer->encode("x<s><s>x", Special::kParse), (Ids{x, name, name, x}));
  EXPECT_EQ(tokenizer->bytes_of(name, Special::kParse), "<s>");
  EXPECT_EQ(tokenizer->bytes_of(name, Special::kAsText), "");
  EXPECT_TRUE(tokenizer->is_control(name));
  EXPECT_TRUE(tokenizer->is_control(0));
  EXPECT_FALSE(tokenizer->is_control(1));
  EXPECT_EQ(tokenizer->find("<s>"), name);
  EXPECT_EQ(tokenizer->find(""), std::nullopt);
  EXPECT_EQ(tokenizer->find("abcab"), std::nullopt);  // a node on the way, no token
}

TEST(world, ids_outside_the_vocabulary_have_no_text) {
  const auto tokenizer = toy();
  EXPECT_EQ(tokenizer->kind(), "world");
  EXPECT_EQ(tokenizer->n_token(), toy_entries().size());
  for (Token id : {-1, static_cast<Token>(toy_entries().size()), INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(tokenizer->bytes_of(id, Special::kParse), "");
    EXPECT_FALSE(tokenizer->is_control(id));
  }
  EXPECT_TRUE(tokenizer->encode("", Special::kParse).empty());
}

TEST(world, lowest_of_equal_entries_encodes_and_all_decode) {
  std::vector<std::string> entries = byte_entries();
  entries.emplace_back("xy");
  entries.emplace_back("xy");
  const auto tokenizer = make_world_tokenizer(entries, {}, "twice");
  EXPECT_EQ(tokenizer->encode("xy", Special::kAsText), Ids{257});
  EXPECT_EQ(tokenizer->bytes_of(258, Special::kAsText), "xy");
}

TEST(world, refuses_a_vocabulary_without_a_single_byte) {
  for (size_t byte : {0u, 65u, 255u}) {
    std::vector<std::string> entries = byte_entries();
    entries[byte + 1] = "two";
    const std::string error = error_of([&] { make_world_tokenizer(entries, {}, "poor.txt"); });
    EXPECT_TRUE(holds(error, "poor.txt")) << error;
    EXPECT_TRUE(holds(error, "byte " + std::to_string(byte) + ",")) << error;
  }
  // A control token does not count: it is never matched in text.
  EXPECT_TRUE(holds(error_of([] { make_world_tokenizer(byte_entries(), {66}, "x"); }), "byte 65,"));
  EXPECT_TRUE(holds(error_of([] { make_world_tokenizer({}, {}, "x"); }), "byte 0,"));
}

TEST(world, refuses_what_is_out_of_bounds) {
  std::vector<std::string> entries = byte_entries();
  EXPECT_TRUE(holds(error_of([&] { make_world_tokenizer(entries, {257}, "x"); }), "257"));
  EXPECT_TRUE(holds(error_of([&] { make_world_tokenizer(entries, {-1}, "x"); }), "-1"));
  entries.push_back(std::string(1024, 'x'));
  const auto longest = make_world_tokenizer(entries, {}, "x");
  EXPECT_EQ(longest->encode(std::string(2048, 'x'), Special::kAsText), (Ids{257, 257}));
  entries.back() += 'x';
  EXPECT_TRUE(holds(error_of([&] { make_world_tokenizer(entries, {}, "x"); }), "1025 bytes"));
  entries.back() = "";
  entries.resize((size_t{1} << 20) + 1);
  EXPECT_TRUE(holds(error_of([&] { make_world_tokenizer(entries, {}, "x"); }), "1048577 tokens"));
}

// --------------------------------------------------------------------------------------- GGUF form

std::vector<std::string> gguf_tokens() {
  std::vector<std::string> out = {"<s>"};
  static constexpr char kHex[] = "0123456789abcdef";
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (byte == '\\') out.emplace_back("\\\\");
    else if (byte == '\t') out.emplace_back("\\t");
    else if (byte == '\n') out.emplace_back("\\n");
    else if (byte == '\r') out.emplace_back("\\r");
    else if (byte >= 0x20 && byte < 0x7f) out.emplace_back(1, static_cast<char>(byte));
    else out.push_back({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
  }
  return out;
}

TEST(world_from_gguf, reads_literal_bodies_and_types) {
  std::vector<std::string> tokens = gguf_tokens();
  tokens.insert(tokens.end(), {"\\xC3\\xa9", "it\\'s \"", "<|im_end|>", "[PAD260]", "user", "\\q"});
  std::vector<int64_t> types(tokens.size(), 1);
  types[259] = 3;
  types[260] = 5;
  types[261] = 4;
  const auto tokenizer = make_world_from_gguf(tokens, types, "toy.gguf");
  EXPECT_EQ(tokenizer->encode("\xc3\xa9it's \"user", Special::kAsText), (Ids{257, 258, 261}));
  EXPECT_EQ(tokenizer->encode("<|im_end|>", Special::kParse), Ids{259});
  EXPECT_EQ(tokenizer->encode("<|im_end|>", Special::kAsText).size(), 10u);
  for (Special special : {Special::kAsText, Special::kParse})
    EXPECT_EQ(tokenizer->encode("[PAD260]", special).size(), 8u);
  EXPECT_EQ(tokenizer->bytes_of(260, Special::kParse), "");
  EXPECT_EQ(tokenizer->bytes_of(262, Special::kParse), "q");
  EXPECT_TRUE(tokenizer->is_control(0));
  EXPECT_EQ(tokenizer->encode("<s>", Special::kAsText), (Ids{'<' + 1, 's' + 1, '>' + 1}));
  EXPECT_EQ(tokenizer->encode("<s>", Special::kParse), Ids{0});
  // Without types only id 0 is a control token.
  const auto plain = make_world_from_gguf(tokens, {}, "toy.gguf");
  EXPECT_TRUE(plain->is_control(0));
  EXPECT_EQ(plain->encode("<|im_end|>", Special::kAsText), Ids{259});
}

TEST(world_from_gguf, refuses_bad_entries_by_their_number) {
  for (const char* bad : {"\\x4", "\\xg0", "\\x", "a\\"}) {
    std::vector<std::string> tokens = gguf_tokens();
    tokens.emplace_back(bad);
    const std::string error = error_of([&] { make_world_from_gguf(tokens, {}, "bad.gguf"); });
    EXPECT_TRUE(holds(error, "bad.gguf: token 257:")) << bad << error;
  }
  const std::vector<std::string> tokens = gguf_tokens();
  const std::vector<int64_t> types(3, 1);
  EXPECT_TRUE(holds(error_of([&] { make_world_from_gguf(tokens, types, "x"); }), "3 token types"));
  EXPECT_TRUE(holds(error_of([&] { make_world_from_gguf({}, {}, "x"); }), "0 tokens"));
}

// ---------------------------------------------------------------------------------- bytes, streams

TEST(byte_tokenizer, ids_are_bytes) {
  const auto all = make_byte_tokenizer(256);
  EXPECT_EQ(all->encode(std::string("a\0\xff", 3), Special::kAsText), (Ids{97, 0, 255}));
  EXPECT_EQ(all->find("a"), Token{97});
  EXPECT_EQ(all->find("ab"), std::nullopt);
  EXPECT_EQ(all->bytes_of(256, Special::kParse), "");
  EXPECT_EQ(all->bytes_of(-1, Special::kParse), "");
  const auto sentence = error_of([] { make_byte_tokenizer(128)->encode("a\x80", Special::kAsText); }, Code::kArgument);
  EXPECT_EQ(sentence, "byte 128 at place 1 of the text: the model's vocabulary is the bytes 0 to 127");
  for (size_t n : {0u, 257u})
    EXPECT_NE(error_of([&] { make_byte_tokenizer(n); }, Code::kArgument), "");
}

RC_GTEST_PROP(byte_tokenizer, decodes_what_it_encoded, (const std::string& text)) {
  static const auto tokenizer = make_byte_tokenizer(256);
  RC_ASSERT(tokenizer->decode(tokenizer->encode(text, Special::kAsText), Special::kAsText) == text);
}

// Bytes that are often nearly UTF-8.
std::string nearly_utf8() {
  std::string out;
  for (const std::string& part : *rc::gen::container<std::vector<std::string>>(
           rc::gen::oneOf(
               rc::gen::element<std::string>("a", "\xc3\xa9", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80",
                                             "\xf0\x9f\x98", "\xe4\xbd", "\xed\xa0\x80", "\xc0"),
               rc::gen::map(rc::gen::inRange(0x80, 0x100),
                            [](int b) { return std::string(1, static_cast<char>(b)); }))))
    out += part;
  return out;
}

RC_GTEST_PROP(utf8_stream, cuts_do_not_matter, ()) {
  const std::string bytes = nearly_utf8();
  Utf8Stream stream;
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = *rc::gen::inRange<size_t>(1, 6);
    RC_ASSERT(stream.push("").empty());
    const std::string part = stream.push(std::string_view(bytes).substr(at, size));
    RC_ASSERT(is_valid_utf8(part));
    text += part;
    at += std::min(size, bytes.size() - at);
  }
  text += stream.finish();
  RC_ASSERT(text == replace_invalid_utf8(bytes));
  RC_ASSERT(stream.finish().empty());
}

TEST(utf8_stream, replaces_like_python) {
  // bytes.decode("utf-8", errors="replace") of CPython 3.11, by hand.
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xe4\xbd\xa0", "\xe4\xbd\xa0"},
      {"\xe4\xbd", "\xef\xbf\xbd"},
      {"\xe4\xbd" "a", "\xef\xbf\xbd" "a"},
      {"\xe4" "\xe4\xbd\xa0", "\xef\xbf\xbd\xe4\xbd\xa0"},
      {"\xf0\x9f\x98", "\xef\xbf\xbd"},
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xf5\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\x80", "\xef\xbf\xbd"}};
  for (const auto& [bytes, want] : cases) {
    Utf8Stream whole, single;
    std::string at_once = whole.push(bytes), bit_by_bit;
    at_once += whole.finish();
    for (char c : bytes) bit_by_bit += single.push({&c, 1});
    bit_by_bit += single.finish();
    EXPECT_EQ(at_once, want);
    EXPECT_EQ(bit_by_bit, want);
  }
}

TEST(utf8_stream, a_character_leaves_with_its_last_byte) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xf0\x9f"), "a");
  EXPECT_EQ(stream.push("\x98"), "");
  EXPECT_EQ(stream.push("\x80" "b"), "\xf0\x9f\x98\x80" "b");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.push("\xc3"), "");
  EXPECT_EQ(stream.finish(), "\xef\xbf\xbd");
  EXPECT_EQ(stream.push("c"), "c");  // nothing of the old text is left
}

}  // namespace
}  // namespace rwkv::test::world_test
