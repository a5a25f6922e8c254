// A reply: stop strings across token borders, text handed out once it is certain, and a session that holds
// exactly the visible text afterwards.
#include "engine/generation.h"

#include <thread>

#include "backends/cpu/cpu.h"
#include "backends/reference/reference.h"
#include "base/error.h"
#include "support/golden.h"
#include "support/random_model.h"

namespace rwkv::test::generation_test {
namespace {

std::shared_ptr<LoadedModel> byte_model(const std::string& version = "v7", uint64_t seed = 1) {
  RandomModel spec;
  spec.version = version;
  spec.seed = seed;
  spec.n_vocab = 256;
  auto loaded = std::make_shared<LoadedModel>();
  loaded->path = "random";
  loaded->file = make_file(spec);
  loaded->model = build_model(loaded->file, {});
  loaded->tokenizer = make_byte_tokenizer(256);
  loaded->executor = make_cpu_executor(loaded->model.plan, {.n_thread = 2});
  return loaded;
}

// Says a text whatever the logits are.
class Script final : public Sampler {
 public:
  explicit Script(std::string text) : text_(std::move(text)) {}
  int32_t sample(std::span<const float>) override {
    return static_cast<unsigned char>(text_[std::min(at_++, text_.size() - 1)]);
  }
  void accept(int32_t, Origin) override {}
  void reset() override { at_ = 0; }
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<Script>(*this); }

 private:
  std::string text_;
  size_t at_ = 0;
};

struct Reply {
  std::string text;
  Finish finish = Finish::kNot;
  std::vector<float> state;
  uint64_t n_token = 0;
};

Reply generate(const std::string& said, GenerationOptions options, size_t stop_after = 0) {
  const auto model = byte_model();
  Session session(model);
  std::vector<float> logits(256);
  session.feed(model->tokens().encode("prompt", Special::kAsText), logits);
  Script script(said);
  Generation generation(session, script, std::move(options), logits);
  Reply out;
  std::string piece;
  while (out.finish == Finish::kNot) {
    out.finish = generation.next(piece);
    out.text += piece;
    if (stop_after && generation.n_token() == stop_after) {
      generation.stop(piece);
      out.text += piece;
      break;
    }
  }
  out.state = session.snapshot().state;
  out.n_token = session.n_token();
  return out;
}

std::vector<float> state_after(const std::string& text) {
  const auto model = byte_model();
  Session session(model);
  session.feed(model->tokens().encode(text, Special::kAsText), {});
  return session.snapshot().state;
}

TEST(generation, stops_before_a_stop_string_and_rewinds_the_session) {
  for (const auto& [said, text] : std::vector<std::pair<std::string, std::string>>{
           {"hello\n\nUser: more", "hello"},
           {"a\nb\n\nUs\n\nUser:", "a\nb\n\nUs"},
           {"\n\nUser:", ""},
           {"\n\n\n\nUser:xx", "\n\n"}}) {
    const Reply reply = generate(said, {.max_token = 50, .stops = {"\n\nUser:"}});
    EXPECT_EQ(reply.text, text);
    EXPECT_EQ(reply.finish, Finish::kStop);
    EXPECT_TRUE(same_bits(reply.state, state_after("prompt" + text))) << "after \"" << text << "\"";
  }
}

TEST(generation, repairs_a_cut_character_where_it_stood_when_a_stop_follows) {
  EXPECT_EQ(generate("\xf0\nb", {.max_token = 50, .stops = {"b", "\n\n\n"}}).text, "\xef\xbf\xbd\n");
}

TEST(generation, ends_at_the_limit_with_all_its_text) {
  const Reply reply = generate("one\n\nUse", {.max_token = 8, .stops = {"\n\nUser:"}});
  EXPECT_EQ(reply.text, "one\n\nUse");
  EXPECT_EQ(reply.finish, Finish::kLength);
  EXPECT_TRUE(same_bits(reply.state, state_after("promptone\n\nUse")));
}

TEST(generation, hands_out_what_is_held_back_when_stopped) {
  const Reply reply = generate("x\n\nUser is", {.stops = {"\n\nUser:"}}, 5);
  EXPECT_EQ(reply.text, "x\n\nUs");
  EXPECT_TRUE(same_bits(reply.state, state_after("promptx\n\nUs")));
}

TEST(generation, takes_the_earliest_of_several_stops) {
  EXPECT_EQ(generate("abcdef", {.max_token = 9, .stops = {"ef", "cd", "d"}}).text, "ab");
}

TEST(generation, ends_at_stop_tokens) {
  const Reply reply = generate("hi#rest", {.max_token = 9, .stop_tokens = {'#'}});
  EXPECT_EQ(reply.text, "hi");
  EXPECT_EQ(reply.finish, Finish::kEnd);
  EXPECT_TRUE(same_bits(reply.state, state_after("prompthi")));
}

TEST(generation, keeps_characters_whole_and_replaces_invalid_bytes) {
  EXPECT_EQ(generate("\xc3\xa9\xff!", {.max_token = 4}).text, "\u00e9\ufffd!");
  EXPECT_EQ(generate("a\xe2\x82", {.max_token = 3}).text, "a\ufffd");
}

// Speculation must not show: the same text and state as without, for every version, sampler and kind of guess.
class Speculation : public testing::TestWithParam<std::string> {};

TEST_P(Speculation, changes_no_bit) {
  const auto model = byte_model(GetParam()), small = byte_model("v7", 5);
  SamplerParams params;
  params.temperature = 0.7f;
  params.top_k = 3;
  params.presence_penalty = 0.3f;
  for (const bool greedy : {true, false}) {
    params.temperature = greedy ? 0.0f : 0.7f;
    std::string texts[4];
    std::vector<float> states[4];
    for (size_t kind = 0; kind < 4; ++kind) {  // 0: none; 1, 2: by repetition; 3: by a model
      Session session(model), draft(kind == 3 && !greedy ? model : small);
      const auto prompt = model->tokens().encode("to be or not to be or not to be or", Special::kAsText);
      std::vector<float> logits(256);
      session.feed(prompt, logits);
      draft.feed(prompt, {});
      const auto sampler = Sampler::make(params, 256);
      GenerationOptions options;
      options.max_token = 60;
      options.ignore_end = true;
      options.n_draft = kind == 0 ? 0 : kind == 1 ? 1 : 7;
      options.context = prompt;
      if (kind == 3) options.draft = &draft;
      Generation generation(session, *sampler, options, logits);
      std::string piece;
      for (Finish finish = Finish::kNot; finish == Finish::kNot; texts[kind] += piece) finish = generation.next(piece);
      states[kind] = session.snapshot().state;
      EXPECT_EQ(session.n_token(), prompt.size() + 60);
      if (kind == 3 && !greedy) {
        EXPECT_GT(generation.n_accepted(), 0u) << "the model itself as draft must often be right";
      }
      EXPECT_LE(generation.n_accepted(), generation.n_drafted());
      EXPECT_EQ(texts[kind], texts[0]) << "guesses of kind " << kind;
      EXPECT_TRUE(same_bits(states[kind], states[0])) << "guesses of kind " << kind;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(versions, Speculation, testing::Values("v4", "v5.2", "v6", "v7", "v7a", "rwkv6qwen2"),
                         [](const auto& p) { return name_of_test(p.param); });

TEST(lookup, guesses_what_followed_the_longest_repetition) {
  Lookup lookup;
  for (const Token token : {1, 2, 3, 4, 9, 2, 3, 5, 1, 2}) lookup.add(token);
  EXPECT_EQ(lookup.guess(3, 2), (std::vector<Token>{4, 9})) << "1 2 3 is longer than 2 3";
  EXPECT_EQ(lookup.guess(7, 2), std::vector<Token>());
  EXPECT_EQ(Lookup().guess(1, 3), std::vector<Token>());
}

TEST(session, goes_ahead_and_back_on_the_reference_backend_too) {
  const auto model = byte_model();
  model->executor = make_reference_executor(model->model.plan);
  Session plain(model), ahead_session(model);
  std::vector<float> want(256), all(3 * 256);
  plain.feed(std::vector<Token>{7, 8}, want);
  {
    Session::Ahead ahead(model);
    ahead_session.feed_ahead(std::vector<Token>{7, 8, 9}, all, ahead);
    EXPECT_TRUE(ahead_session.take(ahead));
    EXPECT_TRUE(same_bits(std::span(all).subspan(256, 256), want));
    EXPECT_TRUE(same_bits(ahead_session.snapshot().state, plain.snapshot().state));
    EXPECT_TRUE(ahead_session.take(ahead));
    EXPECT_FALSE(ahead_session.take(ahead));
  }
}

TEST(session, refuses_bad_tokens_and_stays_as_it_was) {
  const auto model = byte_model();
  Session session(model);
  session.feed(std::vector<Token>{1, 2, 3}, {});
  const auto before = session.snapshot().state;
  EXPECT_THROW(session.feed(std::vector<Token>{4, 256}, {}), Error);
  EXPECT_THROW(session.feed(std::vector<Token>{-1}, {}), Error);
  EXPECT_THROW(session.feed({}, {}), Error);
  EXPECT_TRUE(same_bits(session.snapshot().state, before));
  EXPECT_EQ(session.n_token(), 3u);
}

TEST(session, forks_into_equal_futures) {
  const auto model = byte_model();
  Session session(model);
  session.feed(std::vector<Token>{10, 20}, {});
  const auto fork = session.fork();
  std::vector<float> a(256), b(256);
  session.feed(std::vector<Token>{30}, a);
  fork->feed(std::vector<Token>{30}, b);
  EXPECT_TRUE(same_bits(a, b));
}

TEST(session, many_at_once_equal_each_alone) {
  const auto model = byte_model();
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<Session*> list;
  std::vector<Token> tokens;
  const std::vector<size_t> counts = {3, 1, 5};
  for (size_t i = 0; i < counts.size(); ++i) {
    sessions.push_back(std::make_unique<Session>(model));
    list.push_back(sessions.back().get());
    for (size_t t = 0; t < counts[i]; ++t) tokens.push_back(static_cast<Token>(17 * i + t));
  }
  std::vector<float> logits(3 * 256);
  feed_many(list, tokens, counts, logits);
  size_t at = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    Session alone(model);
    std::vector<float> want(256);
    alone.feed(std::span(tokens).subspan(at, counts[i]), want);
    EXPECT_TRUE(same_bits(std::span(logits).subspan(i * 256, 256), want)) << "session " << i;
    at += counts[i];
  }
  list[1] = list[0];
  EXPECT_THROW(feed_many(list, tokens, counts, logits), Error) << "one session twice";
}

TEST(session, may_be_used_by_several_threads_on_one_model) {
  const auto model = byte_model();
  std::vector<float> want(256);
  Session(model).feed(std::vector<Token>{5, 6, 7}, want);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        Session session(model);
        std::vector<float> got(256);
        session.feed(std::vector<Token>{5, 6, 7}, got);
        EXPECT_TRUE(same_bits(got, want));
      }
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace rwkv::test::generation_test
