// From any readable model to any writable file: canonical weights out of the source, names, shapes
// and types of the target, then tensor after tensor. Memory: the largest pieces being encoded,
// never the model.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "convert/types.h"

namespace rwkv {

struct ConvertOptions {
  std::string
      target;  // "gguf", "pth", "safetensors", "hf", "ggmf"; "": by the ending of the output
  TypeOptions types;
  size_t n_thread = 0;            // 0: the cores that this process may use
  std::string imatrix_path;       // importance matrix of llama.cpp (GGUF or .dat) or of ours
  std::string tokenizer_path;     // "": the one that comes with the source
  bool keep_split = false;        // as many parts as the source has (GGUF to GGUF)
  bool dry_run = false;           // plans, checks and counts, writes nothing
  std::vector<std::string> lora;  // "FILE" or "FILE:SCALE", merged in this order
  std::function<void(float)>
      progress;  // fraction 0 to 1; may throw to stop, and then no file is left
};

struct ConvertReport {
  struct Tensor {
    std::string name;
    Shape shape;
    DType from, to;
    size_t bytes;
  };
  std::vector<Tensor> tensors;
  size_t bytes_in = 0, bytes_out = 0;  // of the weights
  std::string target;
  std::vector<std::string> notes;  // sentences for the user
};

// Error: what readers, models and writers say; kArgument when both paths name one file.
ConvertReport convert_model(const std::string& in, const std::string& out,
                            const ConvertOptions& options);

}  // namespace rwkv
