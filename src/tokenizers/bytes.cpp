// Id = byte value; a text with a byte that has no id is refused.
#include <array>

#include "base/error.h"
#include "tokenizers/tokenizer.h"

namespace rwkv {
namespace {

class ByteTokenizer final : public Tokenizer {
 public:
  explicit ByteTokenizer(size_t n_token) : n_token_(n_token) {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<char>(i);
  }

  std::string_view kind() const override { return "bytes"; }
  size_t n_token() const override { return n_token_; }

  std::vector<Token> encode(std::string_view text, Special) const override {
    std::vector<Token> out;
    out.reserve(text.size());
    for (char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= n_token_)
        throw Error(Code::kArgument, "byte {} at place {} of the text: the model's vocabulary is the bytes 0 to {}",
                    static_cast<unsigned>(byte), out.size(), n_token_ - 1);
      out.push_back(byte);
    }
    return out;
  }

  std::string_view bytes_of(Token token, Special) const override {
    if (token < 0 || static_cast<size_t>(token) >= n_token_) return {};
    return {&bytes_[static_cast<size_t>(token)], 1};
  }

  bool is_control(Token) const override { return false; }

  std::optional<Token> find(std::string_view text) const override {
    if (text.size() != 1) return std::nullopt;
    const auto byte = static_cast<unsigned char>(text[0]);
    return byte < n_token_ ? std::optional<Token>(byte) : std::nullopt;
  }

 private:
  size_t n_token_;
  std::array<char, 256> bytes_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_tokenizer(size_t n_token) {
  if (n_token == 0 || n_token > 256)
    throw Error(Code::kArgument, "a byte tokenizer has 1 to 256 tokens, not {}", n_token);
  return std::make_unique<ByteTokenizer>(n_token);
}

}  // namespace rwkv
