// What a file of some kind holds for a model: names, shapes, and how each tensor comes out of the
// canonical weights. Types are those of the source until types.h has chosen.
#pragma once

#include <string>
#include <vector>

#include "formats/writers.h"
#include "models/models.h"
#include "models/names/names.h"

namespace rwkv {

enum class Target : uint8_t { kGguf, kPth, kSafetensors, kHuggingFace, kGgmf };

// "gguf", "pth", "safetensors", "hf", "ggmf"; "" goes by the ending of `path` (.gguf .pth .pt
// .safetensors .st .bin, none: a Hugging Face folder). Error{kArgument} lists the names.
Target target_of(const std::string& name, const std::string& path);
std::string_view name(Target target);

enum class WeightRole : uint8_t {
  kVector,     // norms, mixes, decays, biases: small, never quantized
  kLowRank,    // factors of low-rank pairs
  kMatrix,     // the large matrices
  kEmbedding,  // looked up by token
  kHead,
};
WeightRole role_of(const std::string& canonical);
// What the file's values of a weight were divided by: llama.cpp's converter does so in deep layers of version 6 and says it in
// a key that only GGUF has. A power of 2.
float divisor_of(const Weights& weights, const std::string& canonical);

struct OutTensor {
  TensorSpec spec;                         // name and shape in the file
  std::string gguf_name;                   // for overrides and importance matrices
  std::vector<std::string> from;           // canonical names of the weights; several are stacked
  Transform transform = Transform::kSame;  // to be undone
  float (*map)(float) = nullptr;           // every value goes through it, if any
  float scale = 1;                         // and is multiplied by this
  WeightRole role = WeightRole::kVector;
};

struct Layout {
  std::string scheme;              // of names
  std::vector<OutTensor> tensors;  // in the order of the file
  std::vector<std::string> notes;  // what the user should know
};
// Error{kUnsupported} when files of this kind cannot hold the model.
Layout lay_out(const Model& model, Target target);

}  // namespace rwkv
