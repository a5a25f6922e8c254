#include "tokenizers/gguf_export.h"

#include <algorithm>

#include "tokenizers/bpe.h"

namespace rwkv {
namespace {

constexpr int64_t kNormal = 1, kControl = 3, kUser = 4, kUnused = 5;

// The body of a Python bytes literal in single quotes: printable ASCII but the backslash as it is.
std::string escaped(std::string_view bytes, bool escape_quote) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\' || (escape_quote && c == '\''))
      (out += '\\') += c;
    else if (c == '\t')
      out += "\\t";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (byte >= 0x20 && byte < 0x7f)
      out += c;
    else
      ((out += "\\x") += kDigits[byte >> 4]) += kDigits[byte & 15];
  }
  return out;
}

void fill_up(GgufVocabulary& v, size_t n_vocab) {
  for (size_t id = 0; id < v.tokens.size(); ++id)
    if (v.tokens[id].empty())
      v.tokens[id] = "[PAD" + std::to_string(id) + "]", v.types[id] = kUnused;
  while (v.tokens.size() < n_vocab) {
    v.tokens.push_back("[PAD" + std::to_string(v.tokens.size()) + "]");
    v.types.push_back(kUnused);
  }
}

}  // namespace

GgufVocabulary export_world(const Tokenizer& tokenizer, size_t n_vocab) {
  GgufVocabulary v{"rwkv", "", {}, {}, {}};
  for (size_t id = 0; id < tokenizer.n_token(); ++id) {
    const auto token = static_cast<Token>(id);
    const std::string_view bytes = tokenizer.bytes_of(token, Special::kParse);
    const bool control = id == 0 || tokenizer.is_control(token);
    // Id 0 ends a text and has no text of its own; this is its name in GGUF.
    v.tokens.push_back(id == 0 && bytes.empty() ? "<s>" : escaped(bytes, false));
    v.types.push_back(control ? kControl : kNormal);
  }
  fill_up(v, n_vocab);
  return v;
}

GgufVocabulary export_tokenizer_json(std::string_view json, const std::string& source,
                                     size_t n_vocab) {
  const BpeParts parts = read_tokenizer_json(json, source);
  GgufVocabulary v{"gpt2",
                   parts.split == SplitRule::kQwen2 ? (parts.nfc ? "qwen2" : "stablelm2")
                   : parts.nfc                      ? "gpt-neox"
                                                    : "gpt-2",
                   parts.tokens,
                   std::vector<int64_t>(parts.tokens.size(), kNormal),
                   {}};
  for (const AddedToken& added : parts.added)
    v.types[static_cast<size_t>(added.token)] = added.special ? kControl : kUser;
  for (const auto& [left, right] : parts.merges) v.merges.push_back(left + " " + right);
  fill_up(v, n_vocab);
  return v;
}

std::string world_vocabulary_text(const Tokenizer& tokenizer) {
  std::string out;
  for (size_t id = 1; id < tokenizer.n_token(); ++id) {
    const std::string_view bytes = tokenizer.bytes_of(static_cast<Token>(id), Special::kParse);
    if (bytes.empty()) continue;
    const bool ascii = std::all_of(bytes.begin(), bytes.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    out += std::to_string(id) + (ascii ? " '" : " b'") + escaped(bytes, true) + "' " +
           std::to_string(bytes.size()) + "\n";
  }
  return out;
}

}  // namespace rwkv
