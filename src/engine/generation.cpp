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
      logits_(logits.begin(), logits.end()),
      ahead_(session.model()),
      n_guess_(options_.n_draft) {
  if (logits.size() != session.model()->plan().n_vocab)
    throw Error(Code::kArgument, "{} logits, expected {}", logits.size(), session.model()->plan().n_vocab);
  for (const Token token : options_.context) {
    if (static_cast<size_t>(token) >= logits.size())
      throw Error(Code::kArgument, "context: token {}, expected 0 to {}", token, logits.size() - 1);
    lookup_.add(token);
  }
  if (options_.draft == &session)
    throw Error(Code::kArgument, "the draft is the session itself, expected one of its own that was fed the same tokens");
  if (options_.draft && options_.draft->model()->plan().n_vocab != logits.size())
    throw Error(Code::kArgument, "the draft model has {} tokens, the model {}",
                options_.draft->model()->plan().n_vocab, logits.size());
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
  feed_token();
  if (marked_) since_mark_.push_back(token_);
  sampled_ = false;
}

// As feed(token_), with guesses at what follows, or without any work where token_ itself was guessed.
void Generation::feed_token() {
  if (!guessed_.empty() && guessed_.front() == token_ && session_.take(ahead_)) {
    ++n_accepted_;
    guessed_.erase(guessed_.begin());
    if (guessed_.empty()) n_guess_ = std::min(2 * n_guess_, options_.n_draft);
    take_logits(ahead_row_ + 1);
  } else {
    if (!guessed_.empty()) n_guess_ = std::max<size_t>(1, n_guess_ - guessed_.size());
    guessed_.clear();  // nothing is ahead until all went well
    std::vector<Token> next = guess();
    if (next.empty()) feed({&token_, 1});
    else feed_with_guesses(std::move(next));
  }
  if (options_.n_draft == 0) return;
  lookup_.add(token_);
  draft_fed_.push_back(token_);
}

void Generation::feed_with_guesses(std::vector<Token> guesses) {
  std::vector<Token> tokens = guesses;
  tokens.insert(tokens.begin(), token_);
  ahead_logits_.resize(tokens.size() * logits_.size());
  session_.feed_ahead(tokens, ahead_logits_, ahead_);
  guessed_ = std::move(guesses);
  n_drafted_ += guessed_.size();
  take_logits(0);
}

void Generation::take_logits(size_t row) {
  ahead_row_ = row;
  std::copy_n(ahead_logits_.begin() + static_cast<ptrdiff_t>(row * logits_.size()), logits_.size(), logits_.begin());
}

std::vector<Token> Generation::guess() {
  if (options_.n_draft == 0) return {};
  return options_.draft ? guess_with_draft(n_guess_) : lookup_.guess(token_, n_guess_);
}

// The draft model's likeliest tokens after token_. It first follows what was really said since it guessed last.
std::vector<Token> Generation::guess_with_draft(size_t n) {
  Session& draft = *options_.draft;
  if (!draft_start_) {
    draft_start_ = draft.fork();
  } else {
    draft.copy_from(*draft_start_);
  }
  if (!draft_fed_.empty()) draft.feed(draft_fed_, {});
  draft_fed_.clear();
  draft_start_->copy_from(draft);
  std::vector<float> logits(logits_.size());
  std::vector<Token> out;
  for (Token token = token_; out.size() < n;) {
    draft.feed({&token, 1}, logits);
    token = static_cast<Token>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    out.push_back(token);
  }
  return out;
}

std::vector<Token> Lookup::guess(Token next, size_t n) const {
  constexpr size_t kLongest = 4, kShortest = 2, kFarthest = 65536;
  const size_t size = text_.size(), first = size > kFarthest ? size - kFarthest : 0;
  const auto at = [&](size_t i) { return i == size ? next : text_[i]; };
  for (size_t length = std::min(kLongest, size); length >= kShortest; --length)
    for (size_t end = size; end-- > first + length - 1;) {  // the last token of an earlier place
      size_t same = 0;
      while (same < length && text_[end - same] == at(size - same)) ++same;
      if (same < length) continue;
      const size_t from = end + 1, to = std::min(size, from + n);
      if (from == to) return {next};  // a run of one token
      return {text_.begin() + static_cast<ptrdiff_t>(from), text_.begin() + static_cast<ptrdiff_t>(to)};
    }
  return {};
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
  guessed_.clear();
  if (marked_) session_.copy_from(*mark_);
  feed(tokens);
}

Finish Generation::finish_at_stop(size_t position, std::string& text) {
  const std::string kept = held_.substr(0, position);
  finished_ = true;  // an error on the way leaves nothing to go on from
  sampled_ = false;
  rewind(kept);
  text += utf8_.push(kept);
  text += utf8_.finish();
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
