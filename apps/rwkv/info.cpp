// rwkv info: what a model file holds. rwkv tokenize: text to ids.
#include <cstdio>
#include <sstream>

#include "shared.h"

namespace command {

int info(const Options& options) {
  const rwkv_api::Model model = open_model(options, "none");
  const std::string json = model.json();
  if (options.json) {
    std::printf("%s", json.c_str());
    return 0;
  }
  // The object has one pair a line: the same, without the punctuation.
  std::istringstream lines(json);
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find("\": ");
    if (colon == std::string::npos) continue;
    std::string key = line.substr(3, colon - 3), value = line.substr(colon + 3);
    if (!value.empty() && value.back() == ',') value.pop_back();
    std::string plain;
    for (const char c : value)
      if (c != '"' && c != '{' && c != '}') plain += c;
    std::printf("%-17s %s\n", key.c_str(), neutralise(plain).c_str());
  }
  return 0;
}

int tokenize(const Options& options) {
  const rwkv_api::Model model = open_model(options, "none");
  Options prompt = options;
  prompt.prompt = options.text;
  prompt.escape = false;
  const std::string text = read_prompt(prompt, false);
  const auto tokens = model.tokenize(text, options.special);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (options.ids) {
      std::printf("%s%d", i ? " " : "", tokens[i]);
    } else {
      const std::string_view bytes = model.token_bytes(tokens[i]);
      std::string shown;
      for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        char hex[8];
        std::snprintf(hex, sizeof hex, "\\x%02x", byte);
        shown += byte == '\n' ? "\\n" : byte < 0x20 || byte == 0x7f ? std::string(hex) : std::string(1, c);
      }
      std::printf("%6d  %s\n", tokens[i], shown.c_str());
    }
  }
  if (options.ids) std::printf("\n");
  return 0;
}

}  // namespace command
