// What stands beside the tensors: GGUF's keys, a Hugging Face folder's config.json, and the
// tokenizer in both.
#pragma once

#include <string>
#include <vector>

#include "formats/writers.h"
#include "models/models.h"

namespace rwkv {

// `arch`: "rwkv7"; a GGUF source keeps its keys. `tokenizer_path`: tokenizer.json or a World
// vocabulary, or "" for the one that comes with the source (its folder, or the built-in World
// vocabulary by the model's size).
Metadata gguf_metadata(const Model& model, int file_type, const std::string& tokenizer_path,
                       std::vector<std::string>& notes);
std::string gguf_architecture(const Model& model);

// The tokenizer as tokenizer.ggml.*; nothing for models of up to 256 tokens (bytes).
void add_tokenizer(const Model& model, const std::string& tokenizer_path, Metadata& meta,
                   std::vector<std::string>& notes);

// config.json with the fields of the published folders. `float_name`: "bfloat16".
std::string hf_config(const Model& model, const std::string& scheme, const std::string& float_name);
// Writes the tokenizer's files into `folder`.
void write_hf_tokenizer(const Model& model, const std::string& tokenizer_path,
                        const std::string& folder, std::vector<std::string>& notes);

}  // namespace rwkv
