// rwkv bench: prefill and decode speed, each beside the bound that was measured in the same run.
#include <algorithm>
#include <cstdio>
#include <sstream>

#include "shared.h"

namespace command {
namespace {

struct Row {
  std::string test;     // "pp512", "tg64"
  const char* bound;    // "bandwidth" or "arithmetic"
  size_t batch;
  std::vector<double> tokens_per_s;  // of each repetition, sorted
  double bound_tokens_per_s, bytes_per_token;

  double median() const { return tokens_per_s[tokens_per_s.size() / 2]; }
};

std::vector<int32_t> some_tokens(size_t n, size_t n_vocab, size_t seed) {
  std::vector<int32_t> tokens(n);
  for (size_t i = 0; i < n; ++i) tokens[i] = static_cast<int32_t>((i * 7919 + seed * 104729 + 1) % n_vocab);
  return tokens;
}

double prefill_rate(const rwkv_api::Model& model, size_t n) {
  rwkv_api::Session session(model);
  const auto tokens = some_tokens(n, model.n_vocab(), 0);
  const Stopwatch watch;
  session.feed(tokens);
  return static_cast<double>(n) / watch.seconds();
}

// Whole steps: the model, and greedy sampling from its logits.
double decode_rate(const rwkv_api::Model& model, size_t n, size_t batch) {
  std::vector<rwkv_api::Session> sessions;
  std::vector<rwkv_session*> handles;
  for (size_t i = 0; i < batch; ++i) {
    sessions.emplace_back(model);
    handles.push_back(sessions.back().get());
  }
  const size_t n_vocab = model.n_vocab();
  std::vector<int32_t> tokens = some_tokens(batch, n_vocab, 1);
  const std::vector<size_t> counts(batch, 1);
  std::vector<float> logits(batch * n_vocab);
  const auto step = [&] {
    rwkv_api::check(rwkv_feed_many(handles.data(), batch, tokens.data(), counts.data(), logits.data()));
    for (size_t i = 0; i < batch; ++i) {
      const float* row = logits.data() + i * n_vocab;
      tokens[i] = static_cast<int32_t>(std::max_element(row, row + n_vocab) - row);
    }
  };
  step();  // buffers grow in the first
  const Stopwatch watch;
  for (size_t i = 0; i < n; ++i) step();
  return static_cast<double>(n * batch) / watch.seconds();
}

template <typename F>
std::vector<double> repeat(size_t n, F f) {
  std::vector<double> out;
  for (size_t i = 0; i < n; ++i) out.push_back(f());
  std::sort(out.begin(), out.end());
  return out;
}

void print_rows(const std::vector<Row>& rows, const std::string& name, uint32_t threads,
                const std::string& format) {
  if (format == "md")
    std::printf("| model | test | batch | tokens/s, median (min-max) | GB/s | bound | bound tokens/s | of bound |\n"
                "|---|---|---|---|---|---|---|---|\n");
  if (format == "csv")
    std::printf("model_type,test,threads,batch,tokens_per_s,min,max,gb_per_s,bound,bound_tokens_per_s,"
                "share_of_bound\n");
  for (const Row& r : rows) {
    const double gb = r.median() / static_cast<double>(r.batch) * r.bytes_per_token / 1e9;
    const double share = r.median() / r.bound_tokens_per_s;
    if (format == "md")
      std::printf("| %s | %s | %zu | %.1f (%.1f-%.1f) | %.1f | %s | %.1f | %.0f %% |\n", name.c_str(), r.test.c_str(), r.batch, r.median(), r.tokens_per_s.front(),
                  r.tokens_per_s.back(), gb, r.bound, r.bound_tokens_per_s, 100 * share);
    else if (format == "csv")
      std::printf("%s,%s,%u,%zu,%.3f,%.3f,%.3f,%.3f,%s,%.3f,%.4f\n", name.c_str(), r.test.c_str(), threads,
                  r.batch, r.median(), r.tokens_per_s.front(), r.tokens_per_s.back(), gb, r.bound,
                  r.bound_tokens_per_s, share);
    else
      std::printf("{\"test\": \"%s\", \"model_type\": \"%s\", \"threads\": %u, \"batch\": %zu, \"tokens_per_s\": %.3f, "
                  "\"min\": %.3f, \"max\": %.3f, \"gb_per_s\": %.3f, \"bound\": \"%s\", \"bound_tokens_per_s\": %.3f, "
                  "\"share_of_bound\": %.4f}\n",
                  r.test.c_str(), name.c_str(), threads, r.batch, r.median(), r.tokens_per_s.front(),
                  r.tokens_per_s.back(), gb, r.bound, r.bound_tokens_per_s, share);
  }
}

// Time, bytes and share of each op over a decoding run.
void print_profile(const rwkv_api::Model& model, size_t n, size_t batch) {
  decode_rate(model, 2, batch);
  rwkv_api::check(rwkv_profile_start(model.get(), true));
  decode_rate(model, n, batch);
  std::istringstream lines(rwkv_profile_text(model.get()));
  rwkv_api::check(rwkv_profile_start(model.get(), false));
  struct Op {
    std::string name;
    double calls, seconds, bytes;
  };
  std::vector<Op> ops;
  double total = 0;
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find('\t');
    Op op{line.substr(0, tab), 0, 0, 0};
    std::istringstream(line.substr(tab)) >> op.calls >> op.seconds >> op.bytes;
    total += op.seconds;
    ops.push_back(op);
  }
  std::sort(ops.begin(), ops.end(), [](const Op& a, const Op& b) { return a.seconds > b.seconds; });
  std::printf("\n| op | us a token | share | GB/s |\n|---|---|---|---|\n");
  for (const Op& op : ops)
    std::printf("| %s | %.1f | %.1f %% | %.1f |\n", op.name.c_str(), 1e6 * op.seconds / static_cast<double>(n + 1),
                100 * op.seconds / total, op.bytes / op.seconds / 1e9);
}

}  // namespace

int bench(const Options& options, const BenchOptions& bench) {
  const rwkv_api::Model model = open_model(options);
  auto bounds = rwkv_api::options<rwkv_bounds>();
  rwkv_api::check(rwkv_measure_bounds(model.get(), &bounds));
  const double bandwidth = bounds.bytes_per_s / bounds.bytes_per_token;
  const double arithmetic =
      1 / (bounds.dot_per_token / bounds.dot_per_s + bounds.fma_per_token / bounds.fma_per_s);
  std::vector<Row> rows;
  for (const size_t n : bench.n_prompt)
    if (n > 0)
      rows.push_back({"pp" + std::to_string(n), "arithmetic", 1,
                      repeat(bench.repetitions, [&] { return prefill_rate(model, n); }), arithmetic,
                      bounds.bytes_per_token / static_cast<double>(n)});
  for (const size_t batch : bench.batches)
    for (const size_t n : bench.n_gen)
      if (n > 0)
        rows.push_back({"tg" + std::to_string(n), "bandwidth", batch,
                        repeat(bench.repetitions, [&] { return decode_rate(model, n, batch); }), bandwidth,
                        bounds.bytes_per_token});
  const std::string& name = options.model.empty() ? options.hf : options.model;
  const size_t slash = name.find_last_of('/');
  print_rows(rows, name.substr(slash == std::string::npos ? 0 : slash + 1), options.n_thread,
             bench.format);
  if (bench.profile) print_profile(model, std::max<size_t>(bench.n_gen.front(), 8), bench.batches.front());
  std::fprintf(stderr, "bounds now: read %.1f GB/s, dot %.0f GOP/s, fma %.0f GFLOP/s\n", bounds.bytes_per_s / 1e9,
               bounds.dot_per_s / 1e9, bounds.fma_per_s / 1e9);
  return 0;
}

}  // namespace command
