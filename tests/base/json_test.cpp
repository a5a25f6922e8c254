#include "base/json.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace rwkv::json_test {
namespace {

namespace fs = std::filesystem;

std::string refusal(const std::string& text) {
  try {
    Json::parse(text, "a.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kFormat);
    return error.what();
  }
  return "";
}

TEST(json, values) {
  const Json json =
      Json::parse(R"( {"a":[1,-2.5e1,"x\n\u00e9\ud83d\ude00",true,false,null],"b":{}} )", "a.json");
  const auto& a = json.find("a")->array();
  ASSERT_EQ(a.size(), 6u);
  EXPECT_EQ(a[0].whole(), 1u);
  EXPECT_EQ(a[1].number(), -25.0);
  EXPECT_EQ(a[1].number_text(), "-2.5e1");
  EXPECT_EQ(a[2].string(), "x\n\u00e9\U0001f600");
  EXPECT_TRUE(a[3].boolean());
  EXPECT_FALSE(a[4].boolean());
  EXPECT_TRUE(a[5].is(Json::Kind::kNull));
  EXPECT_TRUE(json.find("b")->object().empty());
  EXPECT_FALSE(json.find("c"));
  EXPECT_FALSE(a[0].find("c"));
}

TEST(json, another_kind_is_an_error) {
  const Json json = Json::parse(R"([1.5,-1,1e999,"s",9007199254740993])", "a.json");
  const auto& a = json.array();
  EXPECT_THROW(a[0].whole(), Error);
  EXPECT_THROW(a[1].whole(), Error);
  EXPECT_THROW(a[2].number(), Error);
  EXPECT_THROW(a[3].number(), Error);
  EXPECT_THROW(a[3].boolean(), Error);
  EXPECT_THROW(a[3].array(), Error);
  EXPECT_THROW(a[3].object(), Error);
  EXPECT_THROW(a[3].number_text(), Error);
  EXPECT_THROW(a[0].string(), Error);
  EXPECT_EQ(a[4].number_text(), "9007199254740993");
}

TEST(json, sentences_name_the_place) {
  EXPECT_EQ(refusal("[1,"), "a.json: JSON, byte 3: expected a value");
  EXPECT_NE(refusal(R"({"a":1,"a":2})").find("stands twice"), std::string::npos);
  EXPECT_NE(refusal("[\"\xff\"]").find("UTF-8"), std::string::npos);
  EXPECT_EQ(Json::parse("\"\\ud800x\"", "a.json").string(), "\xef\xbf\xbdx");
}

TEST(json, deep_text_ends_in_an_error) {
  EXPECT_NE(refusal(std::string(100'000, '[')), "");
  std::string objects;
  for (int i = 0; i < 50'000; ++i) objects += "[{\"\":";
  EXPECT_NE(refusal(objects + "\n"), "");
  const auto nested = [](size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_NO_THROW(Json::parse(nested(4), "a.json", 3));
  EXPECT_THROW(Json::parse(nested(5), "a.json", 3), Error);
}

TEST(json, quote_round_trip) {
  std::string text;
  for (int c = 0; c < 128; ++c) text += static_cast<char>(c);
  text += "\u00e9\U0001f600";
  EXPECT_EQ(Json::parse(json_quote(text), "a.json").string(), text);
}

TEST(json, golden_conformance) {
  const fs::path folder = RWKV_GOLDEN_DIR "/json_parsing/test_parsing";
  if (!fs::exists(folder)) GTEST_SKIP() << "no golden folder";
  size_t n_file = 0;
  for (const auto& file : fs::directory_iterator(folder)) {
    std::ifstream stream(file.path(), std::ios::binary);
    std::stringstream content;
    content << stream.rdbuf();
    const std::string name = file.path().filename().string();
    const std::string sentence = refusal(content.str());
    // Here a key stands once; two of them in a header are an attack or a mistake.
    const bool twice = name.starts_with("y_object_duplicated_key");
    if (!name.starts_with("i_")) {
      EXPECT_EQ(sentence.empty(), name.starts_with("y_") && !twice) << name << ": " << sentence;
    }
    ++n_file;
  }
  EXPECT_GE(n_file, 300u);
}

}  // namespace
}  // namespace rwkv::json_test
