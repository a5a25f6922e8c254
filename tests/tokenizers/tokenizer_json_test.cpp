// What a tokenizer.json may hold, and what is refused by name.
#include <gtest/gtest.h>

#include "token_test_util.h"

namespace rwkv::test::tokenizer_json_test {
namespace {

using Ids = std::vector<Token>;

const std::string kByteLevel = R"({"type":"ByteLevel","add_prefix_space":false})";
const std::string kQwen2 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":")"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N})"
    R"(| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*)"
    R"(|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})";

// The parts of a file, each to be replaced by a test.
struct File {
  std::string normalizer = R"({"type":"NFC"})", pre_tokenizer = kByteLevel, decoder = kByteLevel;
  std::string model_type = R"("BPE")", model_extra, added, vocab_extra;
  std::string merges = R"(["a b", "ab c"])";
  unsigned skip_byte = 256;

  std::string text() const {
    std::string vocab;
    for (unsigned byte = 0; byte < 256; ++byte)
      if (byte != skip_byte)
        vocab += json_quote(level_char(byte)) + ":" + std::to_string(byte) + ",";
    return "{\"normalizer\":" + normalizer + ",\"pre_tokenizer\":" + pre_tokenizer +
           ",\"decoder\":" + decoder + ",\"added_tokens\":[" + added + "],\"model\":{\"type\":" +
           model_type + model_extra + ",\"vocab\":{" + vocab + "\"ab\":256,\"abc\":257" +
           vocab_extra + "},\"merges\":" + merges + "}}";
  }
  std::unique_ptr<Tokenizer> make() const { return parse_tokenizer_json(text(), "t.json"); }
  std::string error(Code code = Code::kUnsupported) const {
    return error_of([&] { make(); }, code);
  }
};

std::string added(int id, const std::string& text, const std::string& flags) {
  return "{\"id\":" + std::to_string(id) + ",\"content\":" + json_quote(text) + flags + "}";
}

TEST(tokenizer_json, both_forms_of_merges) {
  File strings, pairs;
  pairs.merges = R"([["a","b"],["ab","c"]])";
  for (const File& file : {strings, pairs})
    EXPECT_EQ(file.make()->encode("abcab", Special::kAsText), (Ids{257, 256}));
}

TEST(tokenizer_json, splitting_rules) {
  File file;
  file.merges = R"(["1 2"])";
  file.vocab_extra = R"(,"12":258)";
  EXPECT_EQ(file.make()->encode("12", Special::kAsText), Ids{258});
  file.pre_tokenizer = kQwen2;
  EXPECT_EQ(file.make()->encode("12", Special::kAsText), (Ids{'1', '2'}));
}

TEST(tokenizer_json, normalizer) {
  File file;
  file.vocab_extra = R"(,"Ã©":258)";
  file.merges = R"(["Ã ©"])";
  EXPECT_EQ(file.make()->encode("e\xcc\x81", Special::kAsText), Ids{258});
  file.normalizer = "null";
  EXPECT_EQ(file.make()->encode("e\xcc\x81", Special::kAsText), (Ids{'e', 0xcc, 0x81}));
  file.normalizer = R"({"type":"Sequence","normalizers":[{"type":"NFC"}]})";
  EXPECT_EQ(file.make()->encode("e\xcc\x81", Special::kAsText), Ids{258});
}

TEST(tokenizer_json, added_tokens) {
  File file;
  file.added = added(258, "<end>", R"(,"special":true,"normalized":false)") + "," +
               added(259, "  ", R"(,"special":false,"normalized":true)") + "," +
               added(260, "   ", R"(,"special":false,"normalized":true)") + "," +
               added(261, "\xc3\xa9", R"(,"special":false,"normalized":true)") + "," +
               added(263, "e\xcc\x81!", R"(,"special":false,"normalized":false)");
  const auto t = file.make();
  EXPECT_EQ(t->n_token(), 264u);
  EXPECT_EQ(t->encode("a<end>", Special::kParse), (Ids{'a', 258}));
  EXPECT_EQ(t->encode("a<end>", Special::kAsText), (Ids{'a', '<', 'e', 'n', 'd', '>'}));
  EXPECT_EQ(t->encode("     ", Special::kAsText), (Ids{260, 259}));  // the longest first
  EXPECT_EQ(t->encode("e\xcc\x81", Special::kAsText), Ids{261});      // after NFC
  EXPECT_EQ(t->encode("e\xcc\x81!", Special::kAsText), Ids{263});     // before NFC
  EXPECT_EQ(t->bytes_of(262, Special::kParse), "");
  EXPECT_EQ(t->decode(t->encode("<end>", Special::kParse), Special::kAsText), "");
}

TEST(tokenizer_json, refuses_other_kinds_by_name) {
  const auto error = [](const std::function<void(File&)>& change) {
    File file;
    change(file);
    return file.error();
  };
  const auto expect = [&](std::string_view name, const std::function<void(File&)>& change) {
    const std::string text = error(change);
    EXPECT_TRUE(holds(text, name) && holds(text, "t.json: ")) << name << " <- " << text;
  };
  expect("Unigram", [](File& f) { f.model_type = R"("Unigram")"; });
  expect("byte_fallback", [](File& f) { f.model_extra = R"(,"byte_fallback":true)"; });
  expect("ignore_merges", [](File& f) { f.model_extra = R"(,"ignore_merges":true)"; });
  expect("dropout", [](File& f) { f.model_extra = R"(,"dropout":0.1)"; });
  expect("end_of_word_suffix", [](File& f) { f.model_extra = R"(,"end_of_word_suffix":"</w>")"; });
  expect("NFKC", [](File& f) { f.normalizer = R"({"type":"NFKC"})"; });
  expect("Lowercase", [](File& f) {
    f.normalizer = R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]})";
  });
  expect("Whitespace", [](File& f) { f.pre_tokenizer = R"({"type":"Whitespace"})"; });
  expect("null", [](File& f) { f.pre_tokenizer = "null"; });
  expect("add_prefix_space", [](File& f) { f.pre_tokenizer = R"({"type":"ByteLevel"})"; });
  expect("p{N}{1,3}", [](File& f) {
    f.pre_tokenizer = kQwen2;
    f.pre_tokenizer.replace(f.pre_tokenizer.find(R"(|\\p{N}|)"), 8, R"(|\\p{N}{1,3}|)");
  });
  expect("Isolated", [](File& f) {
    f.pre_tokenizer = kQwen2;
    f.pre_tokenizer.replace(f.pre_tokenizer.find("Isolated"), 8, "Removed!");
  });
  expect("Metaspace", [](File& f) { f.decoder = R"({"type":"Metaspace"})"; });
  expect("lstrip", [](File& f) { f.added = added(258, "<x>", R"(,"lstrip":true)"); });
}

TEST(tokenizer_json, refuses_what_breaks_the_form) {
  const auto expect = [](std::string_view name, const std::function<void(File&)>& change) {
    File file;
    change(file);
    const std::string text = file.error(Code::kFormat);
    EXPECT_TRUE(holds(text, name) && holds(text, "t.json: ")) << name << " <- " << text;
  };
  expect("byte 65,", [](File& f) { f.skip_byte = 65; });
  expect("merge 2", [](File& f) { f.merges = R"(["a b","x"])"; });
  expect("merge 1", [](File& f) { f.merges = R"([["a","b","c"]])"; });
  expect("merge 1", [](File& f) { f.merges = "[7]"; });
  expect("\"zz\"", [](File& f) { f.merges = R"(["z z"])"; });
  expect("\"merges\"", [](File& f) { f.merges = "{}"; });
  expect("id 7", [](File& f) { f.vocab_extra = R"(,"xy":7)"; });
  for (const char* id : {"-1", "1.5", "1048576", "2147483648", "1e300", "\"3\"", "null"})
    expect("\"xy\"", [&](File& f) { f.vocab_extra = std::string(R"(,"xy":)") + id; });
  expect("id 97", [](File& f) { f.added = added(97, "<x>", ""); });
  expect("content", [](File& f) { f.added = added(258, "", ""); });
  expect("content", [](File& f) { f.added = R"({"id":258})"; });
  expect("id", [](File& f) { f.added = R"({"content":"x"})"; });
  expect("added", [](File& f) { f.added = "3"; });
  expect("JSON", [](File& f) { f.added = "{"; });
  for (const char* json : {"", "[]", "{}", "null", R"({"model":3})", R"({"model":{}})"})
    EXPECT_NE(error_of([&] { parse_tokenizer_json(json, "t.json"); },
                       std::string_view(json) == R"({"model":{}})" ? Code::kUnsupported
                                                                    : Code::kFormat),
              "")
        << json;
}

}  // namespace
}  // namespace rwkv::test::tokenizer_json_test
