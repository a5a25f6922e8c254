// rwkv logits: raw little-endian f32 logits, [V] or with --all [T, V]. The tool that tests and other
// programs compare with.
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "shared.h"

namespace command {
namespace {

std::vector<int32_t> parse_tokens(const std::string& text) {
  std::vector<int32_t> tokens;
  for (const char* at = text.c_str(); *at != '\0';) {
    char* end = nullptr;
    errno = 0;
    const long token = std::strtol(at, &end, 10);
    if (end == at || (*end != '\0' && *end != ',') || errno != 0 || token != static_cast<int32_t>(token))
      throw Failure("--tokens \"" + text + "\": expected whole numbers with commas between them");
    tokens.push_back(static_cast<int32_t>(token));
    at = *end == ',' ? end + 1 : end;
  }
  return tokens;
}

}  // namespace

int logits(const Options& options) {
  if (options.out.empty()) throw Failure("no output: name one with -o FILE (\"-\": standard output)");
  if (!options.tokens.empty() && (!options.prompt.empty() || !options.file.empty()))
    throw Failure("--tokens and a text are both given: name one");
  const rwkv_api::Model model = open_model(options);
  const bool text = options.tokens.empty();
  const auto tokens = text ? model.tokenize(read_prompt(options, false), options.special) : parse_tokens(options.tokens);
  if (tokens.empty()) throw Failure("no tokens: give --tokens 1,2,3 or -p TEXT");
  rwkv_api::Session session(model);
  const size_t chunk = options.chunk ? options.chunk : tokens.size();
  std::vector<float> out;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const size_t end = std::min(begin + chunk, tokens.size());
    const std::vector<int32_t> part(tokens.begin() + static_cast<ptrdiff_t>(begin),
                                    tokens.begin() + static_cast<ptrdiff_t>(end));
    const std::vector<float> rows = options.all ? session.feed_all(part) : session.feed(part);
    if (!options.all) out.clear();
    out.insert(out.end(), rows.begin(), rows.end());
  }
  const std::string_view bytes(reinterpret_cast<const char*>(out.data()), out.size() * sizeof(float));
  if (options.out == "-") std::fwrite(bytes.data(), 1, bytes.size(), stdout);  // main looks whether it went well
  else write_whole(options.out, bytes);
  return 0;
}

}  // namespace command
