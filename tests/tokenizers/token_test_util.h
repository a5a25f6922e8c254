// Shared by the tokenizer tests: golden vectors, base64, small vocabularies.
#pragma once

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tokenizers/tokenizer.h"

namespace rwkv::test {

inline std::string golden_path(const std::string& name) {
  return std::string(RWKV_GOLDEN_DIR) + "/" + name;
}
inline bool has_golden(const std::string& name) {
  return std::filesystem::exists(golden_path(name));
}

inline std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

// The unpacked bytes of an .xz file; "" when there is no xz to run.
inline std::string unxz(const std::string& path) {
  std::string out;
  const std::string command = "xz -dc '" + path + "' 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return out;
  std::array<char, 65536> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe))
    out.append(buffer.data(), n);
  return pclose(pipe) == 0 ? out : std::string();
}

inline std::string from_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int n_bit = 0;
  for (char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;  // padding
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((n_bit += 6) >= 8) out += static_cast<char>(bits >> (n_bit -= 8) & 0xff);
  }
  return out;
}

inline std::vector<Token> ids_of(const Json& json) {
  std::vector<Token> out;
  for (const Json& id : json.array()) out.push_back(static_cast<Token>(id.number()));
  return out;
}

// Every line of a JSON Lines file of golden/tokenizers.
inline std::vector<Json> golden_lines(const std::string& name) {
  std::vector<Json> out;
  std::istringstream lines(read_all(golden_path("tokenizers/" + name)));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) out.push_back(Json::parse(line, name));
  return out;
}

// The sentence of the Error that `call` throws; "" when it throws none.
inline std::string error_of(const std::function<void()>& call, Code code = Code::kFormat) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.sentence();
    return error.sentence();
  }
  return {};
}

inline bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// "" and the 256 single bytes: the least that a World vocabulary must have. Id = byte + 1.
inline std::vector<std::string> byte_entries() {
  std::vector<std::string> out(1);
  for (int byte = 0; byte < 256; ++byte) out.push_back(std::string(1, static_cast<char>(byte)));
  return out;
}

// A byte in the byte-level alphabet of BPE, written after its description.
inline std::string level_char(unsigned byte) {
  const auto visible = [](unsigned b) {
    return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
  };
  unsigned hidden_before = 0;
  for (unsigned b = 0; b < byte; ++b) hidden_before += !visible(b);
  std::string out;
  append_utf8(out, visible(byte) ? byte : 0x100 + hidden_before);
  return out;
}
inline std::string level(std::string_view bytes) {
  std::string out;
  for (char c : bytes) out += level_char(static_cast<unsigned char>(c));
  return out;
}

// A BPE vocabulary as GGUF holds it: 256 bytes (id = byte), then what the merges make.
struct ToyBpe {
  std::vector<std::string> tokens, merges;
  std::vector<int64_t> types;

  explicit ToyBpe(const std::vector<std::pair<std::string, std::string>>& pairs = {}) {
    for (unsigned byte = 0; byte < 256; ++byte) tokens.push_back(level_char(byte));
    for (const auto& [left, right] : pairs) {
      merges.push_back(level(left) + " " + level(right));
      tokens.push_back(level(left + right));
    }
    types.assign(tokens.size(), 1);
  }
  Token add(const std::string& text, int64_t type) {
    tokens.push_back(text);
    types.push_back(type);
    return static_cast<Token>(tokens.size() - 1);
  }
  std::unique_ptr<Tokenizer> make(std::string_view pre = "qwen2") const {
    return make_bpe_from_gguf(tokens, types, merges, pre, "toy.gguf");
  }
};

}  // namespace rwkv::test
