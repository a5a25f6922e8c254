// World: at each position the longest token that matches. Control names are no part of the trie, so
// text that spells "<s>" stays text; with Special::kParse the text is first cut at these names.
// Equal texts under several ids: the lowest id is used for encoding, every id decodes.
#include "base/error.h"
#include "tokenizers/python_literal.h"
#include "tokenizers/token_table.h"
#include "tokenizers/tokenizer.h"
#include "tokenizers/trie.h"

namespace rwkv {
namespace {

class WorldTokenizer final : public Tokenizer {
 public:
  WorldTokenizer(TokenTable table, std::vector<bool> control, const std::string& source)
      : table_(std::move(table)), control_(std::move(control)) {
    std::vector<TrieEntry> texts, names;
    for (size_t id = 0; id < table_.size(); ++id) {
      const Token token = static_cast<Token>(id);
      if (!table_[token].empty()) (control_[id] ? names : texts).push_back({table_[token], token});
    }
    texts_ = Trie(std::move(texts));
    names_ = Trie(std::move(names));
    for (int byte = 0; byte < 256; ++byte)
      if (const char c = static_cast<char>(byte); texts_.find({&c, 1}) < 0)
        throw Error(Code::kFormat,
                    "{}: no token for the single byte {}, so some text would have no encoding",
                    source, byte);
  }

  std::string_view kind() const override { return "world"; }
  size_t n_token() const override { return table_.size(); }

  std::vector<Token> encode(std::string_view text, Special special) const override {
    std::vector<Token> out;
    if (special == Special::kAsText) {
      encode_text(text, out);
      return out;
    }
    cut_at_names(
        text, names_, [&](std::string_view part) { encode_text(part, out); },
        [&](Token token) { out.push_back(token); });
    return out;
  }

  std::string_view bytes_of(Token token, Special special) const override {
    return special == Special::kAsText && is_control(token) ? std::string_view() : table_[token];
  }

  bool is_control(Token token) const override {
    return table_.holds(token) && control_[static_cast<size_t>(token)];
  }

  std::optional<Token> find(std::string_view text) const override {
    Token token = texts_.find(text);
    if (token < 0) token = names_.find(text);
    return token < 0 ? std::nullopt : std::optional<Token>(token);
  }

 private:
  void encode_text(std::string_view text, std::vector<Token>& out) const {
    while (!text.empty()) {
      const Trie::Match match = texts_.longest_match(text);  // a single byte at least
      out.push_back(match.token);
      text.remove_prefix(match.size);
    }
  }

  TokenTable table_;
  std::vector<bool> control_;  // [n_token]
  Trie texts_, names_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_world_tokenizer(std::vector<std::string> entries,
                                                std::vector<Token> control,
                                                const std::string& source) {
  std::vector<bool> is_control(entries.size());
  for (Token token : control) {
    if (token < 0 || static_cast<size_t>(token) >= entries.size())
      throw Error(Code::kFormat, "{}: control token {} is outside [0, {})", source, token,
                  entries.size());
    is_control[static_cast<size_t>(token)] = true;
  }
  return std::make_unique<WorldTokenizer>(TokenTable(entries, source), std::move(is_control),
                                          source);
}

std::unique_ptr<Tokenizer> make_world_from_gguf(std::span<const std::string> tokens,
                                                std::span<const int64_t> types,
                                                const std::string& source) {
  if (tokens.empty() || tokens.size() > kMaxTokens)
    throw Error(Code::kFormat, "{}: {} tokens, expected 1 to {}", source, tokens.size(),
                kMaxTokens);
  if (!types.empty() && types.size() != tokens.size())
    throw Error(Code::kFormat, "{}: {} token types for {} tokens", source, types.size(),
                tokens.size());
  std::vector<std::string> entries(tokens.size());
  std::vector<Token> control = {0};  // end of text, whatever its type says
  for (size_t id = 0; id < tokens.size(); ++id) {
    const int64_t type = types.empty() ? 1 : types[id];
    if (type == kTypeUnused && id != 0) continue;  // "[PAD65530]": a row without text
    if (type == kTypeControl || type == kTypeUnknown) control.push_back(static_cast<Token>(id));
    entries[id] = unescape_gguf(tokens[id], {source, "token", id});
  }
  return make_world_tokenizer(std::move(entries), std::move(control), source);
}

}  // namespace rwkv
