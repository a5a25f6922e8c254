// Byte-level BPE over small vocabularies; the big ones are in golden_test.cpp.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "token_test_util.h"
#include "tokenizers/merges.h"
#include "tokenizers/pre_tokenizer.h"

namespace rwkv::test::bpe_test {
namespace {

using Ids = std::vector<Token>;

const std::vector<std::pair<std::string, std::string>>& toy_pairs() {
  static const std::vector<std::pair<std::string, std::string>> pairs = {
      {"a", "b"}, {"b", "c"},  {"ab", "c"},   {"a", "a"},   {"aa", "aa"},     {"ab", "ab"},
      {" ", "a"}, {" ", "ab"}, {"\xc3", "\xa9"}, {"\n", "\n"}, {"abc", "abc"}, {"aaaa", "b"}};
  return pairs;
}

// ------------------------------------------------------------------------------------------ merges

// Merge by merge, each time over the whole list.
Ids naive_merges(Ids symbols, const std::vector<Merge>& merges) {
  for (;;) {
    size_t best_rank = merges.size(), at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i)
      for (size_t rank = 0; rank < best_rank; ++rank)
        if (merges[rank].left == symbols[i] && merges[rank].right == symbols[i + 1]) {
          best_rank = rank;
          at = i;
        }
    if (best_rank == merges.size()) return symbols;
    symbols[at] = merges[best_rank].result;
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

RC_GTEST_PROP(merges, agree_with_the_naive_loop, ()) {
  // Tokens 0, 1, 2 and some of what can be made of them, in any order of ranks.
  const size_t n_merge = *rc::gen::inRange<size_t>(0, 20);
  std::vector<Merge> merges;
  for (size_t i = 0; i < n_merge; ++i) {
    const Token n = static_cast<Token>(3 + i);
    merges.push_back({*rc::gen::inRange<Token>(0, n), *rc::gen::inRange<Token>(0, n), n});
  }
  const MergeTable table(merges, 3 + n_merge);
  const size_t n_symbol = *rc::gen::inRange<size_t>(0, 130);  // both sides of the heap's limit
  Ids symbols = *rc::gen::container<Ids>(n_symbol, rc::gen::inRange<Token>(0, 3));
  const Ids want = naive_merges(symbols, merges);
  table.apply(symbols);
  RC_ASSERT(symbols == want);
}

TEST(merges, both_ways_agree_around_the_limit) {
  const std::vector<Merge> merges = {{0, 0, 1}, {1, 1, 2}, {2, 0, 3}, {2, 2, 4}};
  const MergeTable table(merges, 5);
  for (size_t n = 0; n < 200; ++n) {
    Ids symbols(n, 0);
    table.apply(symbols);
    EXPECT_EQ(symbols, naive_merges(Ids(n, 0), merges)) << n;
  }
}

TEST(merges, a_pair_named_twice_keeps_its_better_rank) {
  const MergeTable table(std::vector<Merge>{{0, 1, 3}, {1, 2, 4}, {0, 1, 5}}, 6);
  Ids symbols = {0, 1, 2};
  table.apply(symbols);
  EXPECT_EQ(symbols, (Ids{3, 2}));
}

// --------------------------------------------------------------------------------------- splitting

std::vector<std::string> pieces(SplitRule rule, std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t size = first_piece(rule, text);
    out.emplace_back(text.substr(0, size));
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return out;
}
using Pieces = std::vector<std::string>;

TEST(pre_tokenizer, gpt2) {
  const auto split = [](std::string_view text) { return pieces(SplitRule::kGpt2, text); };
  EXPECT_EQ(split("Hello world's  end"), (Pieces{"Hello", " world", "'s", " ", " end"}));
  EXPECT_EQ(split("x123 456!!\n\n y"), (Pieces{"x", "123", " 456", "!!", "\n\n", " y"}));
  EXPECT_EQ(split("   "), Pieces{"   "});
  EXPECT_EQ(split(" "), Pieces{" "});
  EXPECT_EQ(split("\t\tx"), (Pieces{"\t", "\t", "x"}));
  EXPECT_EQ(split("I'LL I'll 're"), (Pieces{"I", "'", "LL", " I", "'ll", " '", "re"}));
  EXPECT_EQ(split("'"), Pieces{"'"});
  EXPECT_EQ(split("'r"), (Pieces{"'", "r"}));
  EXPECT_EQ(split("a\xc2\xb2\xc2\xa0\xe4\xbd\xa0"),
            (Pieces{"a", "\xc2\xb2", "\xc2\xa0", "\xe4\xbd\xa0"}));
  EXPECT_EQ(split("e\xcc\x81x"), (Pieces{"e", "\xcc\x81", "x"}));  // a mark is no letter
  EXPECT_EQ(split("a\xff\xfe" "b"), (Pieces{"a", "\xff\xfe", "b"}));
}

TEST(pre_tokenizer, qwen2) {
  const auto split = [](std::string_view text) { return pieces(SplitRule::kQwen2, text); };
  EXPECT_EQ(split("Hello world's  end"), (Pieces{"Hello", " world", "'s", " ", " end"}));
  EXPECT_EQ(split("x123 4"), (Pieces{"x", "1", "2", "3", " ", "4"}));
  EXPECT_EQ(split("I'LL \"ok\" 'Re"), (Pieces{"I", "'LL", " \"", "ok", "\"", " '", "Re"}));
  EXPECT_EQ(split("it'\xc5\xbf" "a"), (Pieces{"it", "'\xc5\xbf", "a"}));  // the long s
  EXPECT_EQ(split("(a) \tb"), (Pieces{"(a", ")", " ", "\tb"}));
  EXPECT_EQ(split("!!\r\n\n x"), (Pieces{"!!\r\n\n", " x"}));
  EXPECT_EQ(split(" \n  \n  x"), (Pieces{" \n  \n", " ", " x"}));
  EXPECT_EQ(split("\nx"), (Pieces{"\n", "x"}));
  EXPECT_EQ(split("  "), Pieces{"  "});
  EXPECT_EQ(split("a\xff" "b"), (Pieces{"a", "\xff" "b"}));  // leads like a symbol
}

RC_GTEST_PROP(pre_tokenizer, pieces_cover_any_text, (const std::string& text)) {
  for (SplitRule rule : {SplitRule::kGpt2, SplitRule::kQwen2}) {
    std::string joined;
    for (const std::string& piece : pieces(rule, text)) {
      RC_ASSERT(!piece.empty());
      joined += piece;
    }
    RC_ASSERT(joined == text);
  }
}

// -------------------------------------------------------------------------------------------- GGUF

TEST(bpe_from_gguf, merges_within_pieces) {
  const auto tokenizer = ToyBpe(toy_pairs()).make();
  const auto id = [&](std::string_view text) { return tokenizer->find(text).value(); };
  EXPECT_EQ(tokenizer->kind(), "bpe");
  EXPECT_EQ(tokenizer->n_token(), 256 + toy_pairs().size());
  // Rank decides, not length: "ab", then "abc" come before " ab" has a chance.
  EXPECT_EQ(tokenizer->encode("abcabc abc", Special::kAsText), (Ids{id("abcabc"), ' ', id("abc")}));
  EXPECT_EQ(tokenizer->encode("c a", Special::kAsText), (Ids{'c', id(" a")}));
  EXPECT_EQ(tokenizer->encode("e\xcc\x81", Special::kAsText), Ids{id("\xc3\xa9")});  // NFC
  EXPECT_EQ(ToyBpe(toy_pairs()).make("gpt-2")->encode("e\xcc\x81", Special::kAsText),
            (Ids{'e', 0xcc, 0x81}));
  EXPECT_EQ(tokenizer->encode(std::string("\0\xff", 2), Special::kAsText), (Ids{0, 0xff}));
}

TEST(bpe_from_gguf, added_tokens_by_type) {
  ToyBpe toy(toy_pairs());
  const Token end = toy.add("<|im_end|>", 3), think = toy.add("<think>", 4),
              longer = toy.add("<think>!", 4), pad = toy.add("[PAD271]", 5);
  const auto tokenizer = toy.make();
  EXPECT_EQ(tokenizer->encode("<|im_end|>a<think>", Special::kParse), (Ids{end, 'a', think}));
  EXPECT_EQ(tokenizer->encode("<think>!", Special::kAsText), Ids{longer});
  EXPECT_EQ(tokenizer->encode("<|im_end|>", Special::kAsText).size(), 10u);
  EXPECT_EQ(tokenizer->encode("[PAD271]", Special::kParse).size(), 8u);
  EXPECT_TRUE(tokenizer->is_control(end));
  EXPECT_FALSE(tokenizer->is_control(think));
  EXPECT_EQ(tokenizer->bytes_of(end, Special::kAsText), "");
  EXPECT_EQ(tokenizer->bytes_of(end, Special::kParse), "<|im_end|>");
  EXPECT_EQ(tokenizer->bytes_of(think, Special::kAsText), "<think>");
  EXPECT_EQ(tokenizer->bytes_of(pad, Special::kParse), "");
  EXPECT_EQ(tokenizer->find("<|im_end|>"), end);
  EXPECT_EQ(tokenizer->find(""), std::nullopt);
  for (Token id : {-1, pad + 1, INT32_MAX}) EXPECT_EQ(tokenizer->bytes_of(id, Special::kParse), "");
}

TEST(bpe_from_gguf, refuses_what_does_not_fit_together) {
  const auto error = [](const std::function<void(ToyBpe&)>& damage) {
    ToyBpe toy(toy_pairs());
    damage(toy);
    return error_of([&] { toy.make(); });
  };
  EXPECT_EQ(error([](ToyBpe&) {}), "");
  EXPECT_TRUE(holds(error([](ToyBpe& t) { t.tokens['a'] = "xx"; }), "byte 97,"));
  EXPECT_TRUE(holds(error([](ToyBpe& t) { t.merges[2] = "ab"; }), "toy.gguf: merge 3 "));
  EXPECT_TRUE(holds(error([](ToyBpe& t) { t.merges[2] = "a b c"; }), "merge 3 "));
  EXPECT_TRUE(holds(error([](ToyBpe& t) { t.merges[2] = " a"; }), "merge 3 "));
  EXPECT_TRUE(holds(error([](ToyBpe& t) { t.merges[0] = "y z"; }), "merge 1 needs \"yz\""));
  EXPECT_TRUE(holds(error([](ToyBpe& t) { t.types.pop_back(); }), "267 token types"));
  EXPECT_TRUE(holds(error([](ToyBpe& t) { t.add(std::string(1025, 'x'), 1); }), "1025 bytes"));
  EXPECT_TRUE(holds(error_of([] { ToyBpe().make("llama-bpe"); }, Code::kUnsupported), "llama-bpe"));
  EXPECT_TRUE(holds(error_of([] { make_bpe_from_gguf({}, {}, {}, "qwen2", "x"); }), "0 tokens"));
}

TEST(bpe_from_gguf, a_byte_that_utf8_never_has_may_be_missing) {
  ToyBpe toy;
  toy.tokens[0xff] = "xx";
  EXPECT_EQ(toy.make()->encode("a\xff", Special::kAsText), (Ids{'a', 0xef, 0xbf, 0xbd}));
}

// Text that NFC leaves alone, with ill-formed bytes in it.
std::string stable_text() {
  std::string out;
  for (const std::string& part : *rc::gen::container<std::vector<std::string>>(rc::gen::oneOf(
           rc::gen::element<std::string>("a", "b", "c", "abc", " ", "\n", "'s", "1", "\xc3\xa9",
                                         "\xe4\xbd\xa0", "<think>", "<|im_end|>", "\xea\xb0\x80"),
           rc::gen::map(rc::gen::arbitrary<char>(), [](char c) { return std::string(1, c); }))))
    out += part;
  return out;
}

RC_GTEST_PROP(bpe, decodes_what_it_encoded, ()) {
  static const auto toy = [](std::string_view pre) {
    ToyBpe parts(toy_pairs());
    parts.add("<|im_end|>", 3);
    parts.add("<think>", 4);
    return parts.make(pre);
  };
  static const auto qwen2 = toy("qwen2"), gpt2 = toy("gpt-2");
  const std::string text = stable_text();
  const std::string any = *rc::gen::arbitrary<std::string>();
  for (Special special : {Special::kAsText, Special::kParse}) {
    RC_ASSERT(gpt2->decode(gpt2->encode(any, special), special) == any);
    RC_ASSERT(gpt2->decode(gpt2->encode(text, special), special) == text);
    // Random bytes can spell a combining mark after "e"; then NFC rightly changes the text.
    if (text.find('\xcc') == std::string::npos && text.find('\xcd') == std::string::npos &&
        text.find('\xe1') == std::string::npos && text.find('\xe0') == std::string::npos &&
        text.find('\xef') == std::string::npos && text.find('\xf0') == std::string::npos)
      RC_ASSERT(qwen2->decode(qwen2->encode(text, special), special) == text);
  }
}

TEST(bpe, long_pieces_do_not_take_forever) {
  // Quadratic work on two megabytes in one piece would outlast any patience.
  const auto tokenizer = ToyBpe(toy_pairs()).make();
  const std::string text(size_t{1} << 21, 'a');
  EXPECT_EQ(tokenizer->encode(text, Special::kAsText).size(), text.size() / 4);
}

}  // namespace
}  // namespace rwkv::test::bpe_test
