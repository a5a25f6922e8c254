#include "engine/generation.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace rwkv {

Generation::Generation(Session& session, Sampler& sampler, GenerationOptions options,
                       std::span<const float> logits)
    : session_(session),
      sampler_(sampler),
      options_(std::move(options)),
      tokenizer_(session.model()->tokens()),
      logits_(logits.begin(), logits.end()) {
  if (logits.size() != session.model()->plan().n_vocab)
    throw Error(Code::kArgument, "{} logits, expected {}", logits.size(), session.model()->plan().n_vocab);
  std::erase(options_.stops, std::string());
  const auto n_token = std::min(tokenizer_.n_token(), logits.size());
  for (size_t id = 0; id < n_token && options_.ignore_end; ++id)
    if (tokenizer_.is_control(static_cast<Token>(id))) ends_.push_back(static_cast<Token>(id));
}

void Generation::feed(std::span<const Token> tokens) {
  if (!tokens.empty()) session_.feed(tokens, logits_);
}

void Generation::feed_sampled() {
  if (mark_next_) {
    if (!mark_) mark_ = session_.fork();
    else mark_->copy_from(session_);
    marked_ = true;
    mark_next_ = false;
    since_mark_.clear();
  }
  feed({&token_, 1});
  if (marked_) since_mark_.push_back(token_);
  sampled_ = false;
}

void Generation::emit(size_t n_byte, std::string& text) {
  if (marked_) visible_since_mark_ += held_.substr(0, n_byte);
  text += utf8_.push(std::string_view(held_).substr(0, n_byte));
  held_.erase(0, n_byte);
}

// Adds a token's bytes and hands out what can't become a stop string any more.
void Generation::append(std::string_view bytes, std::string& text) {
  const bool was_empty = held_.empty();
  held_ += bytes;
  size_t keep = 0;
  for (const std::string& stop : options_.stops)
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n)
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) {
        keep = n;
        break;
      }
  const size_t certain = held_.size() - keep;
  if (keep == 0) {
    marked_ = false;
    emit(certain, text);
  } else if (was_empty || keep <= bytes.size()) {
    // The held bytes begin inside this token, which is not fed yet: mark the state before it.
    const size_t before = held_.size() - bytes.size();
    emit(before, text);
    marked_ = false;
    mark_next_ = true;
    visible_since_mark_ = held_.substr(0, certain - before);
    emit(certain - before, text);
  } else {
    emit(certain, text);
  }
}

// Brings the session to the state before the token with the first held byte, and feeds `kept` again: the
// tokens as they were as long as they fit, the rest encoded anew.
void Generation::rewind(std::string kept) {
  std::vector<Token> tokens;
  if (marked_) {
    kept = visible_since_mark_ + kept;
    for (const Token token : since_mark_) {
      const std::string_view bytes = tokenizer_.bytes_of(token, Special::kAsText);
      if (kept.compare(0, bytes.size(), bytes) != 0) break;
      tokens.push_back(token);
      kept.erase(0, bytes.size());
    }
  }
  const std::vector<Token> rest = tokenizer_.encode(kept, Special::kAsText);
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  if (marked_) session_.copy_from(*mark_);
  feed(tokens);
}

Finish Generation::finish_at_stop(size_t position, std::string& text) {
  const std::string kept = held_.substr(0, position);
  finished_ = true;  // an error on the way leaves nothing to go on from
  sampled_ = false;
  rewind(kept);
  text += utf8_.push(kept) + utf8_.finish();
  held_.clear();
  return Finish::kStop;
}

Finish Generation::next(std::string& text) {
  text.clear();
  if (finished_) throw Error(Code::kArgument, "the generation has ended");
  if (sampled_) feed_sampled();
  if (options_.ignore_end)
    for (const Token token : ends_) logits_[static_cast<size_t>(token)] = -INFINITY;
  token_ = sampler_.sample(logits_);
  sampler_.accept(token_, Sampler::Origin::kGenerated);
  ++n_token_;
  const auto& stops = options_.stop_tokens;
  if ((tokenizer_.is_control(token_) && !options_.ignore_end) ||
      std::find(stops.begin(), stops.end(), token_) != stops.end()) {
    stop(text);
    return Finish::kEnd;
  }
  sampled_ = true;

  const std::string_view bytes = tokenizer_.bytes_of(token_, Special::kAsText);
  const std::string window = held_ + std::string(bytes);
  size_t position = std::string::npos;
  for (const std::string& stop_string : options_.stops)
    position = std::min(position, window.find(stop_string));
  if (position != std::string::npos) {
    held_ = window;
    return finish_at_stop(position, text);
  }
  append(bytes, text);
  if (options_.max_token != 0 && n_token_ >= options_.max_token) {
    std::string rest;
    stop(rest);
    text += rest;
    return Finish::kLength;
  }
  return Finish::kNot;
}

void Generation::stop(std::string& text) {
  text.clear();
  if (finished_) return;
  if (sampled_) feed_sampled();
  emit(held_.size(), text);
  text += utf8_.finish();
  finished_ = true;
}

}  // namespace rwkv
