// rwkv perplexity: how surprised a model is by a text, and how far its predictions are from another's.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "evaluate.h"
#include "shared.h"

namespace command {
namespace {

// Lines "name value error" in the order of the report; error < 0: none.
struct Figure {
  const char* key;
  const char* about;
  double value, error;
};

std::vector<Figure> figures_of(const Evaluation& e) {
  const Sums& s = e.sums;
  const Estimate nll = estimate(s.nll, s.nll2, s.n);
  const double n = static_cast<double>(s.n), per_byte = s.n_byte ? n / static_cast<double>(s.n_byte) : 0;
  std::vector<Figure> out = {
      {"perplexity", "perplexity", std::exp(nll.mean), std::exp(nll.mean) * nll.error},
      {"nats_per_token", "nats per token", nll.mean, nll.error},
      {"nats_per_byte", "nats per byte", nll.mean * per_byte, nll.error * per_byte},
      {"bits_per_byte", "bits per byte", nll.mean * per_byte / std::log(2.0), nll.error * per_byte / std::log(2.0)},
  };
  if (e.kl.empty()) return out;
  const Estimate diff = estimate(s.diff, s.diff2, s.n), kl = estimate(s.kl, s.kl2, s.n);
  const Estimate dp = estimate(s.dp2, s.dp4, s.n);
  const double rms = std::sqrt(dp.mean), same = static_cast<double>(s.n_same_top) / n;
  std::vector<float> sorted = e.kl;
  std::sort(sorted.begin(), sorted.end());
  out.insert(out.end(), {
      {"base_perplexity", "perplexity of the base", std::exp(s.base_nll / n), -1},
      {"perplexity_ratio", "perplexity / base's", std::exp(diff.mean), std::exp(diff.mean) * diff.error},
      {"kl_mean", "KL divergence, mean", kl.mean, kl.error},
      {"kl_median", "KL divergence, median", quantile(sorted, 0.5), -1},
      {"kl_90", "KL divergence, 90 %", quantile(sorted, 0.9), -1},
      {"kl_99", "KL divergence, 99 %", quantile(sorted, 0.99), -1},
      {"kl_max", "KL divergence, largest", static_cast<double>(sorted.back()), -1},
      {"rms_dp", "RMS of the difference of p(token)", rms, rms > 0 ? dp.error / (2 * rms) : 0},
      {"same_top", "share of the same likeliest token", same,
       n > 1 ? std::sqrt(same * (1 - same) / (n - 1)) : 0},
  });
  return out;
}

void print_report(const Evaluation& e, bool json) {
  const std::vector<Figure> figures = figures_of(e);
  if (json) {
    std::printf("{\n  \"n_token\": %llu,\n  \"n_scored\": %llu,\n  \"n_byte\": %llu,\n  \"complete\": %s",
                static_cast<unsigned long long>(e.n_done), static_cast<unsigned long long>(e.sums.n),
                static_cast<unsigned long long>(e.sums.n_byte), e.complete() ? "true" : "false");
    for (const Figure& f : figures) {
      std::printf(",\n  \"%s\": %.9g", f.key, f.value);
      if (f.error >= 0) std::printf(",\n  \"%s_error\": %.9g", f.key, f.error);
    }
    std::printf("\n}\n");
    return;
  }
  for (const Figure& f : figures)
    if (f.error >= 0) std::printf("%-34s %.6f +- %.6f\n", f.about, f.value, f.error);
    else std::printf("%-34s %.6f\n", f.about, f.value);
  std::printf("%-34s %llu of %llu bytes\n", "tokens scored", static_cast<unsigned long long>(e.sums.n),
              static_cast<unsigned long long>(e.sums.n_byte));
}

}  // namespace

int perplexity(const Options& options, const PerplexityOptions& perplexity) {
  catch_interrupt();
  if (!perplexity.lambada.empty()) return lambada(options, perplexity);
  if (perplexity.compare && perplexity.base.empty())
    throw Failure("--kl-divergence needs --kl-divergence-base FILE, written before with the base model");
  const std::string text = read_text(perplexity.file);
  const rwkv_api::Model model = open_model(options);
  EvaluateOptions o;
  o.chunk_length = perplexity.chunk_length;
  o.max_token = perplexity.n_chunk * (o.chunk_length ? o.chunk_length : kChunk);
  o.resume = perplexity.resume;
  o.base = perplexity.base;
  if (!o.base.empty()) o.base_use = perplexity.compare ? BaseUse::kCompare : BaseUse::kWrite;
  char label[64] = "perplexity";
  std::unique_ptr<ProgressLine> line;
  o.progress = [&](const Evaluation& e) {
    if (!is_terminal(STDERR_FILENO)) return;
    const double rate = static_cast<double>(e.n_fed) / e.seconds;
    std::snprintf(label, sizeof label, "perplexity %.4f, %.0f tok/s, %.0f s left",
                  std::exp(estimate(e.sums.nll, e.sums.nll2, e.sums.n).mean), rate,
                  static_cast<double>(e.n_token - e.n_done) / rate);
    line = std::make_unique<ProgressLine>(label);
    line->update(static_cast<double>(e.n_done) / static_cast<double>(e.n_token));
  };
  const Evaluation e = evaluate(model, model.tokenize(text), o);
  line.reset();
  if (e.sums.n == 0 && interrupted) throw Interrupted("interrupted before a token was scored");
  if (e.sums.n == 0) throw Failure("no token was scored");
  print_report(e, perplexity.json);
  if (e.complete()) return 0;
  std::fprintf(stderr, "rwkv: interrupted after %llu of %llu tokens%s%s\n",
               static_cast<unsigned long long>(e.n_done), static_cast<unsigned long long>(e.n_token),
               o.resume.empty() ? "" : "; the same command goes on from ", o.resume.c_str());
  return 130;
}

}  // namespace command
