// The smaller model of --model-draft, which reads what the model reads and writes, and guesses what comes next.
#pragma once

#include <optional>
#include <vector>

#include "shared.h"

namespace command {

class Draft {
 public:
  // Opens the model that the options name; without one every function does nothing.
  explicit Draft(const Options& options);

  void feed(const std::vector<int32_t>& tokens);
  void reset();
  std::optional<rwkv_api::Snapshot> snapshot() const;  // nullopt: there is no draft
  void restore(const std::optional<rwkv_api::Snapshot>& state);

  // For rwkv_generation_options.
  rwkv_session* get() const { return session_ ? session_->get() : nullptr; }
  size_t n_guess() const { return n_guess_; }

 private:
  std::optional<rwkv_api::Model> model_;
  mutable std::optional<rwkv_api::Session> session_;
  size_t n_guess_;
};

}  // namespace command
