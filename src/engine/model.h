// A model ready to run: file, plan, executor, tokenizer, and what is known about it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "chat/chat.h"
#include "models/models.h"
#include "plan/executor.h"
#include "tokenizers/tokenizer.h"

namespace rwkv {

struct OpenOptions {
  std::string device = "cpu";  // "cpu", "reference", "none"
  std::string isa;
  size_t n_thread = 0;
  unsigned activations = 0;      // 8, 16, or 0: by the weights
  bool bf16_activations = false, sparse = true;  // see CpuOptions
  float v5_norm_eps = 64e-5f;
  std::string tokenizer_path;
  std::string quant;              // type that the matrices get on the way; "": as in the file
  std::vector<std::string> lora;  // "FILE" or "FILE:SCALE"
  std::function<void(float)> progress;
};

struct LoadedModel {
  std::string path;
  std::shared_ptr<TensorFile> file;
  Model model;
  std::unique_ptr<Executor> executor;    // null with device "none"
  std::unique_ptr<Tokenizer> tokenizer;  // null when there is none; `no_tokenizer` says why
  std::string no_tokenizer;
  ChatHints chat_hints;
  uint64_t fingerprint = 0;  // of version, sizes and some unquantized weights: the same for all
                             // quantizations of one model, so that a state moves between them

  const Plan& plan() const { return *model.plan; }
  const Tokenizer& tokens() const;  // Error{kMissing}
  Executor& runner() const;         // Error{kArgument} with device "none"
};

std::shared_ptr<LoadedModel> load_model(const std::string& path, const OpenOptions& options);
// Everything that is known, as JSON.
std::string describe_json(const LoadedModel& model);

// By file (tokenizer.json or a World vocabulary), by metadata, by the folder or by the vocabulary's size.
std::unique_ptr<Tokenizer> choose_tokenizer(const TensorFile& file, size_t n_vocab,
                                            const std::string& tokenizer_path, std::string& why_not);

}  // namespace rwkv
