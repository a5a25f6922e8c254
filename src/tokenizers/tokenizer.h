// Text <-> token ids. Text is bytes: encode accepts anything, decode gives back exactly the bytes
// of the ids. A tokenizer is immutable after its factory: threads may share it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv {

using Token = int32_t;

// Whether names of control tokens inside the text ("<|im_end|>", "<s>") become those tokens.
enum class Special { kAsText, kParse };

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual std::string_view kind() const = 0;  // "world", "bpe", "bytes"
  // Number of ids, highest id + 1 (rows of a model beyond it have no text).
  virtual size_t n_token() const = 0;
  // Greedy or BPE as the kind says; never adds BOS or EOS. Every input byte is covered;
  // a vocabulary of bytes refuses those it lacks (Error{kArgument}). BPE normalises to NFC where its file says so, and writes U+FFFD for a byte that has no
  // token, which can only be one that UTF-8 never has; with these exceptions decode(encode(text))
  // is text.
  virtual std::vector<Token> encode(std::string_view text, Special special) const = 0;
  // The bytes of one token, possibly part of a UTF-8 character; empty for ids without text.
  // Control tokens yield their name only with Special::kParse, else "".
  virtual std::string_view bytes_of(Token token, Special special) const = 0;
  // True for ids that are control tokens (end of text, <|im_start|>...).
  virtual bool is_control(Token token) const = 0;
  // The id of the token whose text is exactly `text` (control tokens included), or nothing.
  virtual std::optional<Token> find(std::string_view text) const = 0;

  std::string decode(std::span<const Token> tokens, Special special) const {
    std::string out;
    for (Token token : tokens) out += bytes_of(token, special);
    return out;
  }
};

// The World vocabulary and its relatives: greedy longest match over bytes. `entries[id]` are the
// bytes of token id ("" = no text). Error{kFormat} (naming `source`) when one of the 256 single
// bytes is missing, since then some input would have no encoding. `control` lists ids that are
// control tokens: never matched in text unless Special::kParse. Equal entries: the lowest id
// encodes, all decode. At most 2^20 entries of at most 1024 bytes.
std::unique_ptr<Tokenizer> make_world_tokenizer(std::vector<std::string> entries,
                                                std::vector<Token> control,
                                                const std::string& source);
// From the text form "<id> <python literal> <byte length>" a line (LF or CRLF). Id 0 = end of text,
// usually not in the file and then without a name. Error{kFormat} names the line.
std::unique_ptr<Tokenizer> parse_world_vocabulary(std::string_view text, const std::string& source);
// Bodies of Python bytes literals as GGUF holds them (tokenizer.ggml.tokens with model "rwkv"):
// `types[id]`: 1 normal, 2 and 3 control, 5 unused (no text) ... (may be empty: all normal). Id 0
// is always a control token.
std::unique_ptr<Tokenizer> make_world_from_gguf(std::span<const std::string> tokens,
                                                std::span<const int64_t> types,
                                                const std::string& source);
// A tokenizer's file as text, at most 64 MB; Error{kIo}, Error{kFormat}. It is a tokenizer.json, or else to be read
// as a World vocabulary.
std::string read_tokenizer_file(const std::string& path);
bool is_tokenizer_json(std::string_view text);

constexpr size_t kWorldVocab = 65536;  // rows of the embedding of every World model
// The World vocabulary that is built into the library, n_token() 65,536 as its models have rows:
// ids 0 and 65530 on have no text. Parsed at each call (about 10 ms): keep it.
std::unique_ptr<Tokenizer> builtin_world_tokenizer();

// Byte-level BPE. From a Hugging Face tokenizer.json (NeoX-20B, Qwen2 and relatives); other kinds
// are Error{kUnsupported}, by name. Added tokens that are not special are matched in every text,
// special ones (control tokens) only with Special::kParse ...
std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view json, const std::string& source);
// ... or from GGUF (model "gpt2"; `pre` names the splitting rule: "qwen2", "gpt-2", "default" ...;
// Error{kUnsupported} names an unknown one).
std::unique_ptr<Tokenizer> make_bpe_from_gguf(std::span<const std::string> tokens,
                                              std::span<const int64_t> types,
                                              std::span<const std::string> merges,
                                              std::string_view pre, const std::string& source);

// Id = byte value, for vocabularies of up to 256 entries (n_token ids). A text with another
// byte is refused. Error{kArgument} when n_token is 0 or above 256.
std::unique_ptr<Tokenizer> make_byte_tokenizer(size_t n_token);

// Cuts a byte stream into valid UTF-8 as soon as it is complete. Ill-formed bytes become U+FFFD,
// one per maximal subpart (Unicode 15, table 3-7; what Python's errors="replace" does).
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);  // the text that is complete now
  std::string finish();                      // what is left: U+FFFD if a character was cut
 private:
  std::string pending_;
};

}  // namespace rwkv
