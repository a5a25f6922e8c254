// Text -> added tokens cut out -> NFC -> pieces -> bytes -> merges. Ill-formed UTF-8 passes through
// as bytes, so whatever NFC leaves alone comes back exactly, given a vocabulary with all 256 bytes.
#include "tokenizers/bpe.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizers/merges.h"
#include "tokenizers/token_table.h"
#include "tokenizers/trie.h"
#include "tokenizers/unicode.h"

namespace rwkv {
namespace {

// Positions inside a piece have 32 bits; a longer run of one class is merged in parts.
constexpr size_t kMaxPieceBytes = size_t{1} << 30;

// The byte-level alphabet writes every byte as one visible character: bytes that Latin-1 shows as
// themselves, the other 68 as U+0100 and on, in their order.
constexpr size_t kAlphabetEnd = 0x100 + 68;

struct Alphabet {
  std::array<uint32_t, 256> point_of{};
  std::array<int, kAlphabetEnd> byte_of{};  // -1: not in the alphabet
};

constexpr Alphabet make_alphabet() {
  Alphabet a;
  for (int& byte : a.byte_of) byte = -1;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool visible = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    a.point_of[byte] = visible ? byte : next++;
    a.byte_of[a.point_of[byte]] = static_cast<int>(byte);
  }
  return a;
}

constexpr Alphabet kAlphabet = make_alphabet();

// The bytes that a vocabulary entry stands for. One that leaves the alphabet stands for itself.
std::string bytes_of_entry(std::string_view entry) {
  std::string out;
  for (std::string_view rest = entry; !rest.empty();) {
    const Utf8Char c = next_utf8(rest);
    if (c.point >= kAlphabetEnd || kAlphabet.byte_of[c.point] < 0) return std::string(entry);
    out += static_cast<char>(kAlphabet.byte_of[c.point]);
    rest.remove_prefix(c.size);
  }
  return out;
}

using Ids = std::unordered_map<std::string_view, Token>;

Ids ids_of(const std::vector<std::string>& tokens) {
  Ids ids;
  ids.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id)  // of equal entries the lowest id stays
    if (!tokens[id].empty()) ids.emplace(tokens[id], static_cast<Token>(id));
  return ids;
}

// NeoX-20B has no tokens for the 13 bytes that never occur in UTF-8; nothing else may be missing.
constexpr bool occurs_in_utf8(size_t byte) { return byte != 0xc0 && byte != 0xc1 && byte < 0xf5; }

std::array<Token, 256> find_byte_tokens(const Ids& ids, const std::string& source) {
  std::array<Token, 256> out;
  out.fill(-1);
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string entry;
    append_utf8(entry, kAlphabet.point_of[byte]);
    const auto it = ids.find(entry);
    if (it == ids.end() && !occurs_in_utf8(byte)) continue;
    if (it == ids.end())
      throw Error(Code::kFormat,
                  "{}: no token for the single byte {}, so some text would have no encoding",
                  source, byte);
    out[byte] = it->second;
  }
  return out;
}

MergeTable make_merges(const BpeParts& parts, const Ids& ids, const std::string& source) {
  std::vector<Merge> merges;
  merges.reserve(parts.merges.size());
  for (const auto& [left, right] : parts.merges) {
    const auto find = [&](const std::string& entry) {
      const auto it = ids.find(entry);
      if (it == ids.end())
        throw Error(Code::kFormat, "{}: merge {} needs \"{}\", which is not in the vocabulary",
                    source, merges.size() + 1, replace_invalid_utf8(entry));
      return it->second;
    };
    const Token a = find(left), b = find(right);
    merges.push_back({a, b, find(left + right)});
  }
  return MergeTable(merges, parts.tokens.size());
}

TokenTable make_table(const BpeParts& parts, const std::string& source) {
  std::vector<std::string> bytes;
  bytes.reserve(parts.tokens.size());
  for (const std::string& entry : parts.tokens) bytes.push_back(bytes_of_entry(entry));
  for (const AddedToken& added : parts.added) {
    if (added.token < 0 || static_cast<size_t>(added.token) >= bytes.size())
      throw Error(Code::kFormat, "{}: added token {} is outside [0, {})", source, added.token,
                  bytes.size());
    if (added.text.empty())
      throw Error(Code::kFormat, "{}: added token {} has no text", source, added.token);
    bytes[static_cast<size_t>(added.token)] = added.text;
  }
  return TokenTable(bytes, source);
}

// Names to cut a text at. `plain` holds those that are not control tokens.
struct Names {
  Trie all, plain;
  const Trie& for_option(Special special) const {
    return special == Special::kParse ? all : plain;
  }
};

Names make_names(const BpeParts& parts, bool after_nfc) {
  std::vector<std::string> normal;  // keeps what the views show
  normal.reserve(parts.added.size());
  std::vector<TrieEntry> all, plain;
  for (const AddedToken& added : parts.added) {
    if ((added.normalized && parts.nfc) != after_nfc) continue;
    normal.push_back(after_nfc ? to_nfc(added.text) : added.text);
    all.push_back({normal.back(), added.token});
    if (!added.special) plain.push_back(all.back());
  }
  return {Trie(std::move(all)), Trie(std::move(plain))};
}

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(const BpeParts& parts, const std::string& source)
      : table_(make_table(parts, source)),
        control_(parts.tokens.size()),
        raw_names_(make_names(parts, false)),
        nfc_names_(make_names(parts, true)),
        split_(parts.split),
        nfc_(parts.nfc) {
    const Ids ids = ids_of(parts.tokens);
    byte_tokens_ = find_byte_tokens(ids, source);
    merges_ = make_merges(parts, ids, source);
    for (const AddedToken& added : parts.added)
      if (added.special) control_[static_cast<size_t>(added.token)] = true;
  }

  std::string_view kind() const override { return "bpe"; }
  size_t n_token() const override { return table_.size(); }

  std::vector<Token> encode(std::string_view text, Special special) const override {
    std::vector<Token> out, symbols;
    const auto push = [&](Token token) { out.push_back(token); };
    const auto words = [&](std::string_view part) { encode_words(part, symbols, out); };
    const auto normalized = [&](std::string_view part) {
      if (!nfc_) return words(part);
      cut_at_names(to_nfc(part), nfc_names_.for_option(special), words, push);
    };
    cut_at_names(text, raw_names_.for_option(special), normalized, push);
    return out;
  }

  std::string_view bytes_of(Token token, Special special) const override {
    return special == Special::kAsText && is_control(token) ? std::string_view() : table_[token];
  }

  bool is_control(Token token) const override {
    return table_.holds(token) && control_[static_cast<size_t>(token)];
  }

  // A walk over the table: asked for a few names at load, not worth an index.
  std::optional<Token> find(std::string_view text) const override {
    if (text.empty()) return std::nullopt;
    for (Token token = 0; table_.holds(token); ++token)
      if (table_[token] == text) return token;
    return std::nullopt;
  }

 private:
  // A byte without a token can only be part of ill-formed text; it becomes U+FFFD.
  void push_byte(unsigned char byte, std::vector<Token>& symbols) const {
    if (byte_tokens_[byte] >= 0) return symbols.push_back(byte_tokens_[byte]);
    for (size_t b : {0xef, 0xbf, 0xbd}) symbols.push_back(byte_tokens_[b]);
  }

  void encode_words(std::string_view text, std::vector<Token>& symbols,
                    std::vector<Token>& out) const {
    while (!text.empty()) {
      const size_t size = std::min(first_piece(split_, text), kMaxPieceBytes);
      symbols.clear();
      for (char c : text.substr(0, size)) push_byte(static_cast<unsigned char>(c), symbols);
      merges_.apply(symbols);
      out.insert(out.end(), symbols.begin(), symbols.end());
      text.remove_prefix(size);
    }
  }

  TokenTable table_;
  std::vector<bool> control_;  // [n_token]
  std::array<Token, 256> byte_tokens_{};  // -1: a byte without a token
  MergeTable merges_;
  Names raw_names_, nfc_names_;
  SplitRule split_;
  bool nfc_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(const BpeParts& parts, const std::string& source) {
  return std::make_unique<BpeTokenizer>(parts, source);
}

}  // namespace rwkv
