#include "draft.h"

namespace command {

Draft::Draft(const Options& options, const rwkv_api::Model& model) : n_guess_(options.n_draft) {
  if (options.draft_model.empty()) return;
  if (!options.state_in.empty() || !options.init_state.empty())
    throw Failure("--model-draft cannot follow --state-in or --init-state: the draft has not seen that text");
  constexpr size_t kUsual = 8;  // about as many rows as one pass over the weights hides
  if (n_guess_ == 0) n_guess_ = kUsual;
  Options own = options;
  own.model = options.draft_model;
  own.hf.clear();
  own.lora.clear();
  model_.emplace(open_model(own));
  if (model_->n_vocab() != model.n_vocab())
    throw Failure("--model-draft " + own.model + ": " + std::to_string(model_->n_vocab()) + " tokens, expected the " +
                  std::to_string(model.n_vocab()) + " of the model");
  session_.emplace(*model_);
}

void Draft::read(const std::vector<int32_t>& tokens) {
  if (session_ && !tokens.empty()) prefill(*session_, tokens);
}

void Draft::feed(const std::vector<int32_t>& tokens) {
  if (session_ && !tokens.empty()) session_->feed(tokens);
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
