// The model that ships with the project answers what it was trained on, and its bits do not depend on chunks.
#include "rwkv.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <string>

namespace demo_model_test {
namespace {

const char* const kPath = RWKV_TEST_DATA_DIR "/../../data/demo/librwkv-demo.q8_0.gguf";

std::vector<int32_t> tokens_of(const rwkv_api::Model& model, const std::string& text) {
  std::vector<int32_t> tokens(text.size());
  size_t n = 0;
  rwkv_api::check(rwkv_tokenize(model.get(), text.data(), text.size(), false, tokens.data(), tokens.size(), &n));
  tokens.resize(n);
  return tokens;
}

std::string answer(const rwkv_api::Model& model, const std::string& question) {
  rwkv_api::Session session(model);
  std::vector<float> logits(model.n_vocab());
  auto tokens = tokens_of(model, "User: " + question + "\n\nAssistant:");
  std::string text;
  for (int i = 0; i < 60 && text.find("\n\n") == std::string::npos; ++i) {
    rwkv_api::check(rwkv_session_feed(session.get(), tokens.data(), tokens.size(), logits.data()));
    tokens = {static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
    const char* bytes = nullptr;
    size_t n = 0;
    rwkv_api::check(rwkv_token_bytes(model.get(), tokens[0], false, &bytes, &n));
    text.append(bytes, n);
  }
  return text;
}

TEST(demo_model, answers_what_it_was_trained_on) {
  const rwkv_api::Model model(kPath);
  EXPECT_NE(answer(model, "What is librwkv?").find("RWKV"), std::string::npos) << answer(model, "What is librwkv?");
  EXPECT_NE(answer(model, "What is a state?").find("remembers"), std::string::npos);
  EXPECT_NE(answer(model, "Who are you?").find("toy"), std::string::npos);
}

TEST(demo_model, reads_a_text_in_any_pieces_with_the_same_bits) {
  const rwkv_api::Model model(kPath);
  const auto tokens = tokens_of(model, "Once upon a time there was a little fox who lived in the wood with his mother.");
  std::vector<float> whole(model.n_vocab()), pieces(model.n_vocab());
  rwkv_api::Session a(model), b(model);
  rwkv_api::check(rwkv_session_feed(a.get(), tokens.data(), tokens.size(), whole.data()));
  for (const int32_t token : tokens) rwkv_api::check(rwkv_session_feed(b.get(), &token, 1, pieces.data()));
  EXPECT_EQ(whole, pieces);
}

TEST(demo_model, gives_the_same_bits_whether_zeros_are_left_out_or_read) {
  auto dense = rwkv_api::options<rwkv_model_options>();
  dense.dense = true;
  const rwkv_api::Model a(kPath), b(kPath, &dense);
  const auto tokens = tokens_of(a, "Once upon a time there was a little fox");
  rwkv_api::Session in_a(a), in_b(b);
  for (const int32_t token : tokens) EXPECT_EQ(in_a.feed({token}), in_b.feed({token}));
}

TEST(demo_model, gives_the_same_bits_whatever_the_callers_rounding) {
  const rwkv_api::Model usual(kPath);
  const auto tokens = tokens_of(usual, "Once upon a time there was a little fox");
  const auto want = rwkv_api::Session(usual).feed(tokens);
  auto o = rwkv_api::options<rwkv_model_options>();
  o.n_thread = 3;
  std::fesetround(FE_UPWARD);
  const rwkv_api::Model model(kPath, &o);
  const auto got = rwkv_api::Session(model).feed(tokens);
  const int kept = std::fegetround();
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(got, want);
  EXPECT_EQ(kept, FE_UPWARD);
}

}  // namespace
}  // namespace demo_model_test
