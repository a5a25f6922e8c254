// Sample, feed, stop: one reply. Text comes out as soon as it is certain, and when it ends the session
// holds exactly the prompt and the visible text, whatever had been sampled beyond.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/session.h"
#include "sampling/sampler.h"

namespace rwkv {

struct GenerationOptions {
  uint64_t max_token = 0;  // 0: no limit
  std::vector<std::string> stops = {};
  std::vector<Token> stop_tokens = {};
  bool ignore_end = false;
  // Guessing ahead: up to n_draft tokens are computed in one pass with the one that was sampled, and kept as far as
  // sampling then chooses the same. The text is the same bit for bit; only the time differs. 0: off.
  size_t n_draft = 0;
  std::vector<Token> context = {};  // the text so far: guesses are what followed the last tokens there
  Session* draft = nullptr;         // or guess with this smaller model, which has been fed the same text
};

// Guesses from what followed the same tokens before: the longest of the last 4 to 2 tokens that stands earlier in
// the text, its last place.
class Lookup {
 public:
  void add(Token token) { text_.push_back(token); }
  std::vector<Token> guess(Token next, size_t n) const;

 private:
  std::vector<Token> text_;
};

enum class Finish { kNot, kStop, kEnd, kLength };

class Generation {
 public:
  // logits [n_vocab]: those after the session's last token. Session and sampler outlive this.
  Generation(Session& session, Sampler& sampler, GenerationOptions options,
             std::span<const float> logits);

  Finish next(std::string& text);    // one token; `text` becomes what is certain now
  void stop(std::string& text);      // ends it early; `text` becomes what was held back
  uint64_t n_token() const { return n_token_; }
  uint64_t n_drafted() const { return n_drafted_; }    // tokens guessed
  uint64_t n_accepted() const { return n_accepted_; }  // of them, those that sampling chose

 private:
  void feed_token();
  void feed_with_guesses(std::vector<Token> guesses);
  void take_logits(size_t row);  // of ahead_logits_
  std::vector<Token> guess();
  std::vector<Token> guess_with_draft(size_t n);

  void feed_sampled();
  void append(std::string_view bytes, std::string& text);
  Finish finish_at_stop(size_t position, std::string& text);
  void rewind(std::string kept);
  void emit(size_t n_byte, std::string& text);
  void feed(std::span<const Token> tokens);

  Session& session_;
  Sampler& sampler_;
  GenerationOptions options_;
  const Tokenizer& tokenizer_;
  std::vector<float> logits_;
  Lookup lookup_;
  Session::Ahead ahead_;
  std::vector<Token> guessed_;       // what ahead_ holds, from the next token on
  std::vector<float> ahead_logits_;  // [1 + guessed, n_vocab] of the last pass
  size_t ahead_row_ = 0;
  size_t n_guess_ = 0;               // as many as the next pass guesses: fewer after misses, more after hits
  std::unique_ptr<Session> draft_start_;  // the draft's state before it guessed
  std::vector<Token> draft_fed_;          // sampled since then
  uint64_t n_drafted_ = 0, n_accepted_ = 0;
  std::vector<Token> ends_;   // banned: the control tokens, with ignore_end
  uint64_t n_token_ = 0;
  bool finished_ = false;
  bool sampled_ = false;      // token_ is chosen, but not fed yet
  Token token_ = 0;

  std::string held_;          // bytes that may become part of a stop string
  Utf8Stream utf8_;
  // A copy of the session from before the token in which held_ begins, what has been fed since, and the
  // bytes of it that are visible.
  std::unique_ptr<Session> mark_;
  bool marked_ = false, mark_next_ = false;
  std::vector<Token> since_mark_;
  std::string visible_since_mark_;
};

}  // namespace rwkv
