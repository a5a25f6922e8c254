// The smaller model of --model-draft, which reads what the model reads and writes, and guesses what comes next.
#pragma once

#include <optional>
#include <vector>

#include "shared.h"

namespace command {

class Draft {
 public:
  // Opens the model that the options name; without one there is nothing to feed, and guesses come from repetitions.
  // Throws Failure where its vocabulary is not that of `model`.
  Draft(const Options& options, const rwkv_api::Model& model);

  void read(const std::vector<int32_t>& tokens);  // with progress; Ctrl-C ends it (shared.h's prefill)
  void feed(const std::vector<int32_t>& tokens);  // to the end
  void reset();
  std::optional<rwkv_api::Snapshot> snapshot() const;  // nullopt: there is no draft
  void restore(const std::optional<rwkv_api::Snapshot>& state);

  size_t state_size() const { return model_ ? model_->state_size() : 0; }  // floats

  // For rwkv_generation_options.
  rwkv_session* get() const { return session_ ? session_->get() : nullptr; }
  size_t n_guess() const { return n_guess_; }

 private:
  std::optional<rwkv_api::Model> model_;
  std::optional<rwkv_api::Session> session_;
  size_t n_guess_;
};

}  // namespace command
