#include "engine/session.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace rwkv {
namespace {

// Tokens of one call to the executor: bounds the memory of the reference backend, and the time until
// another session gets its turn.
constexpr size_t kStepTokens = 512;

}  // namespace

Session::Use::Use(const Session& session) : busy_(session.busy_) {
  if (busy_.exchange(true)) throw Error(Code::kBusy, "the session is inside another call");
}

Session::Session(std::shared_ptr<LoadedModel> model)
    : model_(std::move(model)), slot_(model_->runner().new_slot()) {}

Session::~Session() { model_->runner().free_slot(slot_); }

void Session::feed(std::span<const Token> tokens, std::span<float> logits, Logits which) {
  const Use use(*this);
  if (tokens.empty()) throw Error(Code::kArgument, "0 tokens to feed, expected 1 or more");
  const Plan& plan = model_->plan();
  const Segment all{slot_, tokens.size()};
  check_step(plan, {tokens, {&all, 1}, {}});
  std::vector<uint32_t> rows;
  for (size_t begin = 0; begin < tokens.size(); begin += kStepTokens) {
    const size_t n = std::min(kStepTokens, tokens.size() - begin);
    const bool last = begin + n == tokens.size();
    rows.clear();
    std::span<float> out;
    if (!logits.empty() && which == Logits::kAll) {
      rows.resize(n);
      std::iota(rows.begin(), rows.end(), 0u);
      out = logits.subspan(begin * plan.n_vocab, n * plan.n_vocab);
    } else if (!logits.empty() && last) {
      rows.push_back(static_cast<uint32_t>(n - 1));
      out = logits;
    }
    const Segment segment{slot_, n};
    model_->runner().run({tokens.subspan(begin, n), {&segment, 1}, rows}, out);
    n_token_ += n;
  }
}

void Session::feed_ahead(std::span<const Token> tokens, std::span<float> logits, Ahead& ahead) {
  const Use use(*this);
  if (tokens.empty()) throw Error(Code::kArgument, "0 tokens to feed, expected 1 or more");
  while (ahead.slots_.size() + 1 < tokens.size()) ahead.slots_.push_back(model_->runner().new_slot());
  const std::span<const Slot> after = std::span(ahead.slots_).first(tokens.size() - 1);
  const Segment segment{slot_, tokens.size(), after};
  std::vector<uint32_t> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0u);
  const Step step{tokens, {&segment, 1}, rows};
  check_step(model_->plan(), step);
  model_->runner().run(step, logits);
  ++n_token_;
  ahead.next_ = 0;
  ahead.end_ = tokens.size() - 1;
  // The session's slot holds the last state, the first of `after` the one after tokens[0].
  if (ahead.end_ > 0) {
    std::rotate(ahead.slots_.begin(), ahead.slots_.begin() + 1,
                ahead.slots_.begin() + static_cast<ptrdiff_t>(ahead.end_));
    std::swap(slot_, ahead.slots_[ahead.end_ - 1]);
  }
}

bool Session::take(Ahead& ahead) {
  const Use use(*this);
  if (ahead.next_ == ahead.end_) return false;
  std::swap(slot_, ahead.slots_[ahead.next_++]);
  ++n_token_;
  return true;
}

void Session::reset() {
  const Use use(*this);
  model_->runner().reset_slot(slot_);
  n_token_ = 0;
}

std::unique_ptr<Session> Session::fork() const {
  auto copy = std::make_unique<Session>(model_);
  copy->copy_from(*this);
  return copy;
}

void Session::copy_from(const Session& other) {
  const Use use(*this);
  const Use use_other(other);
  if (other.model_ != model_) throw Error(Code::kState, "the sessions belong to different models");
  model_->runner().copy_slot(other.slot_, slot_);
  n_token_ = other.n_token_;
}

Snapshot Session::snapshot() const {
  const Use use(*this);
  Snapshot out{model_, std::vector<float>(model_->plan().state.size), n_token_};
  model_->runner().read_slot(slot_, out.state);
  return out;
}

void Session::restore(const Snapshot& snapshot) {
  const Use use(*this);
  if (snapshot.model->fingerprint != model_->fingerprint ||
      snapshot.state.size() != model_->plan().state.size)
    throw Error(Code::kState, "the snapshot belongs to model {}, the session to {}", snapshot.model->path,
                model_->path);
  model_->runner().write_slot(slot_, snapshot.state);
  n_token_ = snapshot.n_token;
}

void feed_many(std::span<Session* const> sessions, std::span<const Token> tokens,
               std::span<const size_t> counts, std::span<float> logits) {
  if (sessions.empty()) throw Error(Code::kArgument, "0 sessions to feed, expected 1 or more");
  std::vector<std::unique_ptr<Session::Use>> uses;
  std::vector<Segment> segments;
  std::vector<uint32_t> rows;
  uint32_t row = 0;
  for (size_t i = 0; i < sessions.size(); ++i) {
    if (std::find(sessions.begin(), sessions.begin() + static_cast<ptrdiff_t>(i), sessions[i]) !=
        sessions.begin() + static_cast<ptrdiff_t>(i))
      throw Error(Code::kArgument, "session {} is given twice", i);
    if (counts[i] > tokens.size() - row)
      throw Error(Code::kArgument, "session {} has {} tokens, of {} that are left", i, counts[i], tokens.size() - row);
    uses.push_back(std::make_unique<Session::Use>(*sessions[i]));
    if (sessions[i]->model_ != sessions[0]->model_)
      throw Error(Code::kArgument, "session {} belongs to another model than session 0", i);
    segments.push_back({sessions[i]->slot_, counts[i]});
    row += static_cast<uint32_t>(counts[i]);
    if (!logits.empty()) rows.push_back(row - 1);
  }
  const Step step{tokens, segments, rows};
  check_step(sessions[0]->model_->plan(), step);
  sessions[0]->model_->runner().run(step, logits);
  for (size_t i = 0; i < sessions.size(); ++i) sessions[i]->n_token_ += counts[i];
}

}  // namespace rwkv
