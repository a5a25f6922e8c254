// LAMBADA: the last word of a passage, as the RWKV project scores it: token 0 and the passage are read, the
// last word's tokens (with the space before it) are scored; a passage counts as right when each of them is the
// likeliest one.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "evaluate.h"
#include "shared.h"

namespace command {
namespace {

// The string value of "text" in one line of JSON.
std::string text_of(const std::string& line, const std::string& where) {
  const auto wrong = [&](const char* what) { return Failure(where + ": " + what); };
  size_t at = line.find("\"text\"");
  if (at == std::string::npos) throw wrong("expected {\"text\": ...}");
  at = line.find_first_not_of(" \t:", at + 6);
  if (at == std::string::npos || line[at] != '"') throw wrong("expected a string after \"text\"");
  const auto unit = [&](size_t from) {
    const std::string digits = line.substr(from, 4);
    if (digits.size() < 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
      throw wrong("expected four hex digits after \\u");
    return static_cast<uint32_t>(std::stoul(digits, nullptr, 16));
  };
  std::string out;
  for (++at; at < line.size() && line[at] != '"'; ++at) {
    if (line[at] != '\\') {
      out += line[at];
      continue;
    }
    if (++at >= line.size()) break;
    static const std::string kFrom = "nrtbf\"\\/", kTo = "\n\r\t\b\f\"\\/";
    if (line[at] != 'u') {
      const size_t which = kFrom.find(line[at]);
      if (which == std::string::npos) throw wrong("an unknown escape in the string");
      out += kTo[which];
      continue;
    }
    uint32_t code = unit(at + 1);
    at += 4;
    if (code >= 0xd800 && code < 0xdc00 && line.compare(at + 1, 2, "\\u") == 0) {
      code = 0x10000 + ((code - 0xd800) << 10) + ((unit(at + 3) - 0xdc00) & 0x3ff);
      at += 6;
    }
    const auto add = [&](uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) add(code);
    else if (code < 0x800) add(0xc0 | code >> 6), add(0x80 | (code & 0x3f));
    else if (code < 0x10000) add(0xe0 | code >> 12), add(0x80 | (code >> 6 & 0x3f)), add(0x80 | (code & 0x3f));
    else
      add(0xf0 | code >> 18), add(0x80 | (code >> 12 & 0x3f)), add(0x80 | (code >> 6 & 0x3f)),
          add(0x80 | (code & 0x3f));
  }
  if (at >= line.size()) throw wrong("a string that does not end");
  return out;
}

}  // namespace

int lambada(const Options& options, const PerplexityOptions& perplexity) {
  std::ifstream in(perplexity.lambada);
  if (!in) throw Failure(perplexity.lambada + ": cannot be opened");
  std::vector<std::string> texts;
  for (std::string line; std::getline(in, line);)
    if (line.find_first_not_of(" \t\r") != std::string::npos)
      texts.push_back(text_of(line, perplexity.lambada + ", line " + std::to_string(texts.size() + 1)));
  if (texts.empty()) throw Failure(perplexity.lambada + ": no lines {\"text\": ...}");
  if (perplexity.n_chunk && texts.size() > perplexity.n_chunk) texts.resize(perplexity.n_chunk);
  const rwkv_api::Model model = open_model(options);
  rwkv_api::Session session(model);
  ProgressLine line("lambada");
  uint64_t n = 0, right = 0;
  double sum = 0, sum2 = 0;
  for (size_t i = 0; i < texts.size() && !interrupted; ++i) {
    const size_t space = texts[i].find_last_of(' ');
    if (space == std::string::npos || space + 1 == texts[i].size())
      throw Failure(perplexity.lambada + ", passage " + std::to_string(i + 1) + ": expected words and a last word");
    std::vector<int32_t> context = model.tokenize(texts[i].substr(0, space));
    const std::vector<int32_t> word = model.tokenize(texts[i].substr(space));
    context.insert(context.begin(), 0);
    session.reset();
    std::vector<float> logits = session.feed(context);
    double nll = 0;
    bool all = true;
    for (size_t k = 0; k < word.size(); ++k) {
      if (k > 0) logits = session.feed({word[k - 1]});
      const RowSummary row = summarise(logits.data(), logits.size());
      nll += row.log_sum - static_cast<double>(logits[static_cast<size_t>(word[k])]);
      all = all && row.top == word[k];
    }
    ++n;
    right += all;
    sum += nll;
    sum2 += nll * nll;
    line.update(static_cast<double>(i + 1) / static_cast<double>(texts.size()));
  }
  line.clear();
  if (n == 0 && interrupted) throw Interrupted("interrupted before a passage was scored");
  if (n == 0) throw Failure("no passage was scored");
  const Estimate nll = estimate(sum, sum2, n);
  const double share = static_cast<double>(right) / static_cast<double>(n);
  const double error = n > 1 ? std::sqrt(share * (1 - share) / static_cast<double>(n - 1)) : 0;
  if (perplexity.json)
    std::printf("{\n  \"n_passage\": %llu,\n  \"perplexity\": %.9g,\n  \"perplexity_error\": %.9g,\n"
                "  \"accuracy\": %.9g,\n  \"accuracy_error\": %.9g\n}\n",
                static_cast<unsigned long long>(n), std::exp(nll.mean), std::exp(nll.mean) * nll.error, share, error);
  else
    std::printf("LAMBADA, %llu passages\nperplexity of the last word        %.4f +- %.4f\n"
                "accuracy                           %.2f %% +- %.2f %%\n",
                static_cast<unsigned long long>(n), std::exp(nll.mean), std::exp(nll.mean) * nll.error,
                100 * share, 100 * error);
  return interrupted ? 130 : 0;
}

}  // namespace command
