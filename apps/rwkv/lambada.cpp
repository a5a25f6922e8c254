// LAMBADA: the last word of a passage, as the RWKV project scores it: token 0 and the passage are read, the
// last word's tokens (with the space before it) are scored; a passage counts as right when each of them is the
// likeliest one.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include <nlohmann/json.hpp>

#include "evaluate.h"
#include "shared.h"

namespace command {
namespace {

struct Passage {
  std::string before, last_word;  // the word with the space before it
};

// Of a line {"text": "..."}.
Passage passage_of(const std::string& line, const std::string& where) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("text") || !json["text"].is_string()) throw Failure(where + ": expected {\"text\": \"...\"}");
  const auto& text = json["text"].get_ref<const std::string&>();
  const size_t space = text.find_last_of(' ');
  if (space == std::string::npos || space + 1 == text.size()) throw Failure(where + ": expected words and a last word");
  return {text.substr(0, space), text.substr(space)};
}

}  // namespace

int lambada(const Options& options, const PerplexityOptions& perplexity) {
  std::ifstream in(perplexity.lambada);
  if (!in) throw Failure(perplexity.lambada + ": cannot be opened");
  std::vector<Passage> passages;
  size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") != std::string::npos)
      passages.push_back(passage_of(line, perplexity.lambada + ", line " + std::to_string(number)));
  }
  if (in.bad()) throw Failure(perplexity.lambada + ": cannot be read");
  if (passages.empty()) throw Failure(perplexity.lambada + ": no lines {\"text\": ...}");
  if (perplexity.n_chunk && passages.size() > perplexity.n_chunk) passages.resize(perplexity.n_chunk);
  const rwkv_api::Model model = open_model(options);
  rwkv_api::Session session(model);
  ProgressLine line("lambada");
  uint64_t n = 0, right = 0;
  double sum = 0, sum2 = 0;
  for (size_t i = 0; i < passages.size() && !interrupted; ++i) {
    std::vector<int32_t> context = model.tokenize(passages[i].before);
    const std::vector<int32_t> word = model.tokenize(passages[i].last_word);
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
    line.update(static_cast<double>(i + 1) / static_cast<double>(passages.size()));
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
