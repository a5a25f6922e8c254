// Every vector of golden/tokenizers and golden/gguf/tokenize.json.
#include <cstring>

#include "token_test_util.h"

namespace rwkv::test::tokenizers_golden_test {
namespace {

void check_vectors(const Tokenizer& tokenizer, const std::string& name, size_t n_case) {
  const std::vector<Json> lines = golden_lines(name);
  EXPECT_EQ(lines.size(), n_case);
  for (const Json& line : lines) {
    const std::string text = from_base64(line.find("text_b64")->string());
    const std::vector<Token> want = ids_of(*line.find("ids"));
    SCOPED_TRACE(line.find("kind")->string() + ": " + json_quote(replace_invalid_utf8(text)));
    EXPECT_EQ(tokenizer.encode(text, Special::kParse), want);
    EXPECT_EQ(tokenizer.decode(want, Special::kParse),
              from_base64(line.find("decoded_b64")->string()));
    if (const Json* skip = line.find("decoded_skip_special_b64")) {
      EXPECT_EQ(tokenizer.decode(want, Special::kAsText), from_base64(skip->string()));
    }
  }
}

TEST(tokenizer_golden, world) {
  if (!has_golden("tokenizers")) GTEST_SKIP() << "no golden data";
  const auto tokenizer = builtin_world_tokenizer();
  check_vectors(*tokenizer, "world.jsonl", 265);
  for (const Json& line : golden_lines("world.jsonl"))  // no control name is in these texts
    EXPECT_EQ(tokenizer->encode(from_base64(line.find("text_b64")->string()), Special::kAsText),
              ids_of(*line.find("ids")));
}

TEST(tokenizer_golden, world_decode_streams_like_python) {
  if (!has_golden("tokenizers")) GTEST_SKIP() << "no golden data";
  const auto tokenizer = builtin_world_tokenizer();
  const std::vector<Json> lines = golden_lines("world-decode.jsonl");
  EXPECT_EQ(lines.size(), 22u);
  for (const Json& line : lines) {
    const std::vector<Token> ids = ids_of(*line.find("ids"));
    EXPECT_EQ(tokenizer->decode(ids, Special::kAsText),
              from_base64(line.find("decoded_b64")->string()));
    Utf8Stream stream;
    std::string text;
    for (Token id : ids) text += stream.push(tokenizer->bytes_of(id, Special::kAsText));
    text += stream.finish();
    EXPECT_EQ(text, line.find("decoded_replace")->string());
  }
}

TEST(tokenizer_golden, built_in_world_is_the_file) {
  if (!has_golden("tokenizers")) GTEST_SKIP() << "no golden data";
  const std::string text = read_all(golden_path("tokenizers/rwkv_vocab_v20230424.txt"));
  std::string crlf;
  for (char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const auto built_in = builtin_world_tokenizer();
  const auto lf = parse_world_vocabulary(text, "lf");
  const auto cr = parse_world_vocabulary(crlf, "crlf");
  EXPECT_EQ(lf->n_token(), 65530u);
  EXPECT_EQ(built_in->n_token(), 65536u);
  for (Token id = 0; id < 65536; ++id) {
    ASSERT_EQ(built_in->bytes_of(id, Special::kParse), lf->bytes_of(id, Special::kParse));
    ASSERT_EQ(cr->bytes_of(id, Special::kParse), lf->bytes_of(id, Special::kParse));
  }
}

std::unique_ptr<Tokenizer> golden_json(const std::string& name) {
  const std::string json = unxz(golden_path("tokenizers/" + name + ".xz"));
  return json.empty() ? nullptr : parse_tokenizer_json(json, name);
}

TEST(tokenizer_golden, neox_20b) {
  if (!has_golden("tokenizers")) GTEST_SKIP() << "no golden data";
  const auto tokenizer = golden_json("20B_tokenizer.json");
  if (!tokenizer) GTEST_SKIP() << "xz is missing";
  EXPECT_EQ(tokenizer->n_token(), 50277u);
  EXPECT_EQ(tokenizer->find("<|endoftext|>"), Token{0});
  EXPECT_TRUE(tokenizer->is_control(0));
  EXPECT_FALSE(tokenizer->is_control(50254));
  check_vectors(*tokenizer, "20b.jsonl", 243);
  // Names of control tokens in a user's text are text; runs of spaces are no control tokens.
  EXPECT_EQ(tokenizer->encode("<|endoftext|", Special::kParse),
            tokenizer->encode("<|endoftext|", Special::kAsText));
  for (Token id : tokenizer->encode("a<|endoftext|>b", Special::kAsText)) EXPECT_NE(id, 0);
  EXPECT_EQ(tokenizer->encode("a    b", Special::kAsText),
            tokenizer->encode("a    b", Special::kParse));
}

TEST(tokenizer_golden, qwen3) {
  if (!has_golden("tokenizers")) GTEST_SKIP() << "no golden data";
  const auto tokenizer = golden_json("qwen3_tokenizer.json");
  if (!tokenizer) GTEST_SKIP() << "xz is missing";
  EXPECT_EQ(tokenizer->n_token(), 151669u);
  EXPECT_TRUE(tokenizer->is_control(151645));
  EXPECT_FALSE(tokenizer->is_control(151667));  // <think>
  check_vectors(*tokenizer, "qwen3.jsonl", 243);
  for (Token id : tokenizer->encode("<|im_end|>", Special::kAsText)) EXPECT_LT(id, 151643);
  EXPECT_EQ(tokenizer->encode("<think>", Special::kAsText), std::vector<Token>{151667});

  // llama.cpp's own vectors for Qwen2, whose base vocabulary is the same.
  static constexpr std::string_view kCut = "\n__ggml_vocab_test__\n";
  const std::string texts = read_all(golden_path("tokenizers/qwen2.inp"));
  std::istringstream ids(read_all(golden_path("tokenizers/qwen2.out")));
  size_t n_case = 0;
  std::string line;
  for (size_t at = 0; at <= texts.size(); ++n_case) {
    if (!std::getline(ids, line)) line.clear();  // the last text is empty, so is its line
    const size_t end = std::min(texts.find(kCut, at), texts.size());
    const std::string text = texts.substr(at, end - at);
    std::vector<Token> want;
    std::istringstream numbers(line);
    for (Token id; numbers >> id;) want.push_back(id);
    EXPECT_EQ(tokenizer->encode(text, Special::kAsText), want) << json_quote(text);
    at = end + kCut.size();
  }
  EXPECT_EQ(n_case, 47u);
}

// ----------------------------------------------------------------------- golden/gguf/tokenize.json

// An array of the metadata of a GGUF file, taken by its key: strings, or 32-bit numbers. Just
// enough for these files; the reader has tests of its own.
class GgufArray {
 public:
  GgufArray(std::string_view file, std::string_view key) : file_(file) {
    at_ = file.find(key);
    if (at_ == std::string_view::npos) return;
    at_ += key.size() + 4;  // the value's type: array
    element_type_ = take<uint32_t>();
    const auto n = take<uint64_t>();
    for (uint64_t i = 0; i < n; ++i) {
      if (element_type_ == 8) {
        const auto size = take<uint64_t>();
        strings.emplace_back(file_.substr(at_, size));
        at_ += size;
      } else {
        numbers.push_back(take<int32_t>());
      }
    }
  }
  std::vector<std::string> strings;
  std::vector<int64_t> numbers;

 private:
  template <typename T>
  T take() {
    T value;
    std::memcpy(&value, file_.substr(at_).data(), sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string_view file_;
  size_t at_ = 0;
  uint32_t element_type_ = 0;
};

TEST(tokenizer_golden, llama_cpp_on_toy_vocabularies) {
  if (!has_golden("gguf")) GTEST_SKIP() << "no golden data";
  const std::string world_file = unxz(golden_path("gguf/rwkv7-small.f32.gguf.xz"));
  if (world_file.empty()) GTEST_SKIP() << "xz is missing";
  const std::string bpe_file = read_all(golden_path("gguf/rwkv6qwen2-small.f16.gguf"));
  const auto tokens = [](std::string_view f) {
    return GgufArray(f, "tokenizer.ggml.tokens").strings;
  };
  const auto types = [](std::string_view f) {
    return GgufArray(f, "tokenizer.ggml.token_type").numbers;
  };
  const auto world = make_world_from_gguf(tokens(world_file), types(world_file), "rwkv7-small");
  const auto bpe = make_bpe_from_gguf(tokens(bpe_file), types(bpe_file),
                                      GgufArray(bpe_file, "tokenizer.ggml.merges").strings, "qwen2",
                                      "rwkv6qwen2-small");
  EXPECT_EQ(world->n_token(), 320u);
  EXPECT_EQ(bpe->n_token(), 304u);
  const Json cases = Json::parse(read_all(golden_path("gguf/tokenize.json")), "tokenize.json");
  for (const Json& c : cases.array()) {
    const bool is_world = c.find("model")->string() == "rwkv7-small.f32";
    const std::string& text = c.find("text")->string();
    const bool parse = c.find("parse_special")->boolean();
    std::vector<Token> want = ids_of(*c.find("ids"));
    // Our rule, not llama.cpp's: a control name is text unless it is to be parsed (spec/gguf.md 8).
    if (is_world && text == "<s>x" && !parse) want = {'<' + 1, 's' + 1, '>' + 1, 'x' + 1};
    EXPECT_EQ((is_world ? world : bpe)->encode(text, parse ? Special::kParse : Special::kAsText),
              want)
        << c.find("model")->string() << " " << json_quote(text) << " " << parse;
  }
}

}  // namespace
}  // namespace rwkv::test::tokenizers_golden_test
