// A tokenizer as GGUF holds it (tokenizer.ggml.*): the other way round from make_world_from_gguf
// and make_bpe_from_gguf.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/tokenizer.h"

namespace rwkv {

struct GgufVocabulary {
  std::string model;                // "rwkv", "gpt2"
  std::string pre;                  // "gpt2" only: the splitting rule
  std::vector<std::string> tokens;  // [n_vocab]
  std::vector<int64_t> types;       // [n_vocab] 1 normal, 3 control, 4 user defined, 5 unused
  std::vector<std::string> merges;  // "left right"
};

// Of a World tokenizer, filled up to n_vocab ids with unused ones.
GgufVocabulary export_world(const Tokenizer& tokenizer, size_t n_vocab);
// Of a Hugging Face tokenizer.json.
GgufVocabulary export_tokenizer_json(std::string_view json, const std::string& source,
                                     size_t n_vocab);
// The text form of a World vocabulary, "<id> <python literal> <byte length>" a line.
std::string world_vocabulary_text(const Tokenizer& tokenizer);

}  // namespace rwkv
