// tokenizer.ggml.* of model "gpt2". Control and user-defined tokens stand there as plain text, all
// others in the byte-level alphabet. What the rule named by `pre` does to a text is not in the
// file; the table has it.
#include "base/error.h"
#include "base/log.h"
#include "tokenizers/bpe.h"
#include "tokenizers/token_table.h"
#include "tokenizers/tokenizer.h"
#include "tokenizers/trie.h"

namespace rwkv {
namespace {

struct PreRule {
  std::string_view name;
  SplitRule split;
  bool nfc;  // as in the tokenizer.json that the models were trained with
};
constexpr PreRule kPreRules[] = {
    {"qwen2", SplitRule::kQwen2, true},     {"deepseek-r1-qwen", SplitRule::kQwen2, true},
    {"stablelm2", SplitRule::kQwen2, false},
    {"gpt-2", SplitRule::kGpt2, false},     {"default", SplitRule::kGpt2, false},
    {"", SplitRule::kGpt2, false},          {"gpt-neox", SplitRule::kGpt2, true},
};

const PreRule& find_rule(std::string_view pre, const std::string& source) {
  for (const PreRule& rule : kPreRules)
    if (rule.name == pre) return rule;
  throw Error(Code::kUnsupported,
              "{}: pre-tokenizer \"{}\"; known are qwen2, deepseek-r1-qwen, stablelm2, gpt-2, gpt-neox and "
              "default",
              source, pre);
}

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_from_gguf(std::span<const std::string> tokens,
                                              std::span<const int64_t> types,
                                              std::span<const std::string> merges,
                                              std::string_view pre, const std::string& source) {
  if (tokens.empty() || tokens.size() > kMaxTokens)
    throw Error(Code::kFormat, "{}: {} tokens, expected 1 to {}", source, tokens.size(),
                kMaxTokens);
  if (!types.empty() && types.size() != tokens.size())
    throw Error(Code::kFormat, "{}: {} token types for {} tokens", source, types.size(),
                tokens.size());
  const PreRule& rule = find_rule(pre, source);
  if (pre.empty() || pre == "default")
    log(LogLevel::kWarning, strf("{}: does not name its pre-tokenizer (tokenizer.ggml.pre); GPT-2's rule is taken", source));
  BpeParts parts;
  parts.split = rule.split;
  parts.nfc = rule.nfc;
  parts.tokens.assign(tokens.begin(), tokens.end());
  for (size_t id = 0; id < types.size(); ++id) {
    const bool special = types[id] == kTypeControl || types[id] == kTypeUnknown;
    if (types[id] == kTypeUnused) parts.tokens[id].clear();  // "[PAD151700]": a row without text
    else if ((special || types[id] == kTypeUser) && !tokens[id].empty())
      parts.added.push_back({static_cast<Token>(id), tokens[id], special, false});
  }
  for (const std::string& merge : merges) {
    const size_t space = merge.find(' ');
    if (space == std::string::npos || merge.find(' ', space + 1) != std::string::npos)
      throw Error(Code::kFormat, "{}: merge {} is not two entries with a space between", source,
                  parts.merges.size() + 1);
    parts.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return make_bpe_tokenizer(parts, source);
}

}  // namespace rwkv
