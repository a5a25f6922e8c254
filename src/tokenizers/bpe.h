// Byte-level BPE from its parts; tokenizer_json.cpp and bpe_gguf.cpp bring them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizers/pre_tokenizer.h"
#include "tokenizers/tokenizer.h"

namespace rwkv {

// A token that is matched by its name, before any splitting.
struct AddedToken {
  Token token;
  std::string text;  // as it stands in a text, not in the byte-level alphabet
  bool special;      // a control token: matched only with Special::kParse. Others always are.
  bool normalized;   // matched in the text after NFC, else before
};

struct BpeParts {
  std::vector<std::string> tokens;  // [n_token] in the byte-level alphabet; "" = no text
  std::vector<AddedToken> added;    // tokens in [0, n_token)
  std::vector<std::pair<std::string, std::string>> merges;  // best first, byte-level alphabet
  SplitRule split = SplitRule::kGpt2;
  bool nfc = false;
};

// Error{kFormat} naming `source`: a byte without a token, a merge of or into something that is no
// token, an empty or over-long name, too many tokens.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(const BpeParts& parts, const std::string& source);

// The parts of a Hugging Face tokenizer.json; errors as parse_tokenizer_json.
BpeParts read_tokenizer_json(std::string_view json, const std::string& source);

}  // namespace rwkv
