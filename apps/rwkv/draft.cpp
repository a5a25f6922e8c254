#include "draft.h"

namespace command {

Draft::Draft(const Options& options) : n_guess_(options.n_draft) {
  if (options.draft_model.empty()) return;
  if (!options.state_in.empty() || !options.init_state.empty())
    throw Failure("--model-draft cannot follow --state-in or --init-state: the draft has not seen that text");
  constexpr size_t kUsual = 8;  // about as many rows as one pass over the weights hides
  if (n_guess_ == 0) n_guess_ = kUsual;
  Options own = options;
  own.model = options.draft_model;
  model_.emplace(open_model(own));
  session_.emplace(*model_);
}

void Draft::feed(const std::vector<int32_t>& tokens) {
  if (session_ && !tokens.empty()) prefill(*session_, tokens);
}

void Draft::reset() {
  if (session_) session_->reset();
}

std::optional<rwkv_api::Snapshot> Draft::snapshot() const {
  if (!session_) return std::nullopt;
  return session_->snapshot();
}

void Draft::restore(const std::optional<rwkv_api::Snapshot>& state) {
  if (session_ && state) session_->restore(*state);
}

}  // namespace command
