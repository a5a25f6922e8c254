// Which type each tensor of the output gets: type names as llama.cpp has them, mixes made for RWKV
// (docs/quantization.md has the table), overrides, and what happens to rows that do not fill whole
// blocks.
#pragma once

#include <string>
#include <vector>

#include "convert/layout.h"

namespace rwkv {

struct TypeOptions {
  std::string type;              // "" or "auto": as the source has it; "f16", "Q4_K_M" ...
  bool pure = false;             // one type for all matrices but the low-rank ones
  bool allow_requantize = true;  // from one block type to another
  std::string output_type, embedding_type;  // "": as the mix says
  std::vector<std::string>
      tensor_types;  // "NAME=TYPE", NAME a regular expression; the last that fits counts
};

// Sets spec.dtype of every tensor and adds what the user should know to `notes`. Returns the label
// of the file (general.file_type in GGUF) and the type in its name. Error{kArgument} for an unknown
// type, a malformed override or one that fits no tensor; kUnsupported when the format cannot hold a
// type that was asked for.
struct ChosenTypes {
  int file_type = 0;
  DType base = DType::kF32;  // of most matrices
};
ChosenTypes choose_types(std::vector<OutTensor>& tensors, const Model& model, Target target,
                         const TypeOptions& options, std::vector<std::string>& notes);

}  // namespace rwkv
