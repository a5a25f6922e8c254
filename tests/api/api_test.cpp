// The C API as a program sees it: values instead of exceptions, sentences that name the thing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "rwkv.hpp"
#include "support/golden.h"

namespace api_test {
namespace {

using rwkv::test::data;

rwkv_model* open_v7() {
  rwkv_model* model = nullptr;
  EXPECT_EQ(rwkv_model_open(data("v7.gguf").c_str(), nullptr, &model), RWKV_OK) << rwkv_error_text();
  return model;
}

TEST(api, names_what_is_wrong_with_a_file) {
  rwkv_model* model = nullptr;
  EXPECT_EQ(rwkv_model_open("/no/such/model.gguf", nullptr, &model), RWKV_ERR_IO);
  EXPECT_NE(std::string(rwkv_error_text()).find("/no/such/model.gguf"), std::string::npos);
  EXPECT_EQ(rwkv_model_open(nullptr, nullptr, &model), RWKV_ERR_ARGUMENT);
  auto options = rwkv_api::options<rwkv_model_options>();
  options.device = "abacus";
  EXPECT_EQ(rwkv_model_open(data("v7.gguf").c_str(), &options, &model), RWKV_ERR_ARGUMENT);
  EXPECT_NE(std::string(rwkv_error_text()).find("abacus"), std::string::npos);
  EXPECT_EQ(model, nullptr);
}

TEST(api, stops_loading_when_asked) {
  rwkv_model* model = nullptr;
  auto options = rwkv_api::options<rwkv_model_options>();
  options.progress = [](float, void*) { return false; };
  EXPECT_EQ(rwkv_model_open(data("v7.gguf").c_str(), &options, &model), RWKV_ERR_STOPPED);
}

TEST(api, progress_never_runs_backwards) {
  for (const char* quant : {"", "q8_0"}) {
    std::vector<float> seen;
    auto options = rwkv_api::options<rwkv_model_options>();
    options.quant = *quant ? quant : nullptr;
    options.progress_user = &seen;
    options.progress = [](float fraction, void* user) {
      static_cast<std::vector<float>*>(user)->push_back(fraction);
      return true;
    };
    rwkv_model* model = nullptr;
    ASSERT_EQ(rwkv_model_open(data("v7.gguf").c_str(), &options, &model), RWKV_OK) << rwkv_error_text();
    rwkv_model_close(model);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end())) << quant;
    ASSERT_FALSE(seen.empty());
    EXPECT_NEAR(seen.back(), 1, 1e-3);
  }
}

TEST(api, generates_the_same_text_for_the_same_seed) {
  const rwkv_api::Model model(data("v7.gguf"));
  std::string texts[2];
  for (std::string& text : texts) {
    rwkv_api::Session session(model);
    rwkv_sampler_options sampling = rwkv_api::sampler_preset("chat");
    sampling.seed = 42;
    rwkv_api::Sampler sampler(model, sampling);
    auto options = rwkv_api::options<rwkv_generation_options>();
    options.max_token = 30;
    rwkv_api::Generation generation(session, sampler, options, session.feed(model.tokenize("Hello")));
    for (auto piece = generation.next();; piece = generation.next()) {
      text += piece.text;
      if (piece.finish != RWKV_FINISH_NOT) break;
    }
  }
  EXPECT_FALSE(texts[0].empty());
  EXPECT_EQ(texts[0], texts[1]);
}

TEST(api, round_trips_text_and_refuses_bad_ids) {
  const rwkv_api::Model model(data("v7.gguf"));
  std::string text;
  for (const int32_t token : model.tokenize("a \xff b\n\n")) text += model.token_bytes(token, false);
  EXPECT_EQ(text, "a \xff b\n\n");
  EXPECT_THROW(model.token_bytes(-1), rwkv_api::Error);
  EXPECT_THROW(model.token_bytes(100000), rwkv_api::Error);
}

TEST(api, saves_and_loads_snapshots) {
  const rwkv_api::Model model(data("v7.gguf"));
  const std::string path = testing::TempDir() + "api-snapshot-" + std::to_string(::getpid());
  rwkv_api::Session session(model);
  session.feed({1, 2, 3});
  session.snapshot().save(path);
  rwkv_api::Session other(model);
  other.restore(rwkv_api::Snapshot::load(model, path));
  EXPECT_EQ(other.n_token(), 3u);
  EXPECT_EQ(other.feed({4}), session.feed({4}));
  std::remove(path.c_str());
  EXPECT_THROW(rwkv_api::Snapshot::load(model, path), rwkv_api::Error);
}

TEST(api, feeds_many_sessions_at_once) {
  rwkv_model* model = open_v7();
  rwkv_session *a = nullptr, *b = nullptr;
  ASSERT_EQ(rwkv_session_open(model, &a), RWKV_OK);
  ASSERT_EQ(rwkv_session_fork(a, &b), RWKV_OK);
  rwkv_session* both[] = {a, b};
  const int32_t tokens[] = {1, 2, 1};
  const size_t counts[] = {2, 1};
  std::vector<float> logits(2 * rwkv_n_vocab(model));
  EXPECT_EQ(rwkv_feed_many(both, 2, tokens, counts, logits.data()), RWKV_OK) << rwkv_error_text();
  EXPECT_EQ(rwkv_session_n_token(a), 2u);
  EXPECT_EQ(rwkv_session_n_token(b), 1u);
  rwkv_session_close(a);
  rwkv_session_close(b);
  rwkv_model_close(model);
}

TEST(api, lists_presets_and_names_an_unknown_one) {
  EXPECT_NE(std::string(rwkv_sampler_preset_list()).find("creative"), std::string::npos);
  rwkv_sampler_options options;
  EXPECT_EQ(rwkv_sampler_preset("loud", &options), RWKV_ERR_ARGUMENT);
  EXPECT_NE(std::string(rwkv_error_text()).find("loud"), std::string::npos);
}

// A generation of `model` that guesses ahead, from an empty state.
struct Guessing {
  rwkv_api::Session session;
  rwkv_api::Sampler sampler;
  std::vector<float> logits;
  Guessing(const rwkv_api::Model& model)
      : session(model), sampler(model, rwkv_api::sampler_preset("greedy")), logits(session.feed({1, 2, 3})) {}
  rwkv_status open(const rwkv_generation_options& options) {
    rwkv_generation* generation = nullptr;
    const rwkv_status status = rwkv_generation_open(session.get(), sampler.get(), &options, logits.data(), &generation);
    rwkv_generation_close(generation);
    return status;
  }
};

TEST(api, refuses_guesses_that_no_model_could_make) {
  const rwkv_api::Model model(data("v7.gguf"));
  Guessing guessing(model);
  auto options = rwkv_api::options<rwkv_generation_options>();
  options.n_draft = 4;
  const std::vector<int32_t> context = {1, 2, 1 << 20, 1, 2};
  options.context = context.data();
  options.n_context = context.size();
  EXPECT_EQ(guessing.open(options), RWKV_ERR_ARGUMENT);
  EXPECT_NE(std::string(rwkv_error_text()).find("token 1048576"), std::string::npos) << rwkv_error_text();
  options.n_context = 2;
  EXPECT_EQ(guessing.open(options), RWKV_OK) << rwkv_error_text();
  options.draft = guessing.session.get();  // would feed itself its own guesses
  EXPECT_EQ(guessing.open(options), RWKV_ERR_ARGUMENT);
}

TEST(api, the_wrapper_checks_the_sizes_that_it_knows) {
  const rwkv_api::Model model(data("v7.gguf"));
  Guessing guessing(model);
  const auto options = rwkv_api::options<rwkv_generation_options>();
  EXPECT_THROW(rwkv_api::Generation(guessing.session, guessing.sampler, options, std::vector<float>(10)), rwkv_api::Error);
  const rwkv_api::Snapshot a = guessing.session.snapshot();
  EXPECT_THROW(rwkv_api::Snapshot::mix({a.get(), a.get()}, {0.5f}), rwkv_api::Error);
}

TEST(api, refuses_structs_without_a_size_and_values_out_of_range) {
  rwkv_model* model = nullptr;
  rwkv_model_options forgotten{};
  EXPECT_EQ(rwkv_model_open(data("v7.gguf").c_str(), &forgotten, &model), RWKV_ERR_ARGUMENT);
  EXPECT_NE(std::string(rwkv_error_text()).find("RWKV_INIT"), std::string::npos) << rwkv_error_text();
  for (const float eps : {-1.0f, NAN, INFINITY, 2.0f}) {
    auto options = rwkv_api::options<rwkv_model_options>();
    options.v5_norm_eps = eps;
    EXPECT_EQ(rwkv_model_open(data("v5.0.bin").c_str(), &options, &model), RWKV_ERR_ARGUMENT) << eps;
  }
  EXPECT_STREQ(rwkv_profile_text(nullptr), "");
}

TEST(api, refuses_another_models_tokenizer) {
  rwkv_model* model = nullptr;
  auto options = rwkv_api::options<rwkv_model_options>();
  const std::string world = data("../../data/rwkv_vocab_v20230424.txt");
  options.tokenizer_path = world.c_str();
  EXPECT_EQ(rwkv_model_open(data("v7.gguf").c_str(), &options, &model), RWKV_ERR_SHAPE);
  EXPECT_NE(std::string(rwkv_error_text()).find("another model's"), std::string::npos) << rwkv_error_text();
}

TEST(api, a_refused_prompt_leaves_the_sampler_as_it_was) {
  const rwkv_api::Model model(data("v7.gguf"));
  auto options = rwkv_api::sampler_preset("greedy");
  options.repeat_penalty = 100;
  options.repeat_last_n = 8;
  const rwkv_api::Sampler sampler(model, options);
  std::vector<float> logits(model.n_vocab(), 0.0f);
  logits[7] = 2;
  logits[8] = 1;
  const int32_t tokens[] = {7, -1};
  EXPECT_EQ(rwkv_sampler_accept_prompt(sampler.get(), tokens, 2), RWKV_ERR_ARGUMENT);
  int32_t token = 0;
  EXPECT_EQ(rwkv_sampler_sample(sampler.get(), logits.data(), &token), RWKV_OK);
  EXPECT_EQ(token, 7);
}

TEST(api, mixes_states_only_to_finite_ones) {
  const rwkv_api::Model model(data("v7.gguf"));
  Guessing guessing(model);
  const rwkv_api::Snapshot a = guessing.session.snapshot();
  EXPECT_THROW(rwkv_api::Snapshot::mix({a.get(), a.get()}, {3e38f, 3e38f}), rwkv_api::Error);
}

TEST(api, renders_chat_messages) {
  const rwkv_api::Model model(data("v7.gguf"));
  const rwkv_api::Chat chat(model, "rwkv-world");
  EXPECT_EQ(chat.message(RWKV_ROLE_USER, " a\r\n\r\n\r\nb \n"), "User: a\nb\n\n");
  EXPECT_EQ(chat.reply_begin(), "Assistant:");
  EXPECT_THROW(rwkv_api::Chat(model, "no-such"), rwkv_api::Error);
}

TEST(api, describes_the_model_as_json) {
  const rwkv_api::Model model(data("v7.gguf"));
  const std::string json = model.json();
  for (const char* part : {"\"version\": \"v7\"", "\"n_layer\": 2", "\"tensor_types\": {", "\"state_bytes\": "})
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
}

}  // namespace
}  // namespace api_test
