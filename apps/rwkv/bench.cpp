// rwkv bench: prefill and decode speed, each beside the bound that was measured in the same run.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <sstream>
#include <thread>
#include <utility>

#include "bench_plot.h"
#include "bench_report.h"
#include "shared.h"
#include "text.h"

namespace command {
namespace {

std::vector<int32_t> some_tokens(size_t n, size_t n_vocab, size_t seed) {
  std::vector<int32_t> tokens(n);
  for (size_t i = 0; i < n; ++i) tokens[i] = static_cast<int32_t>((i * 7919 + seed * 104729 + 1) % n_vocab);
  return tokens;
}

constexpr size_t kFew = 8;     // steps, between which something else is measured
constexpr size_t kSettle = 4;  // steps after that, untimed: caches are not what decoding makes of them until then

}  // namespace

double prefill_rate(const rwkv_api::Model& model, size_t n) {
  rwkv_api::Session session(model);
  const auto tokens = some_tokens(n, model.n_vocab(), 0);
  const Stopwatch watch;
  session.feed(tokens);
  return static_cast<double>(n) / watch.seconds();
}

// Whole steps: the model, and greedy sampling from its logits. pause(n) is called after each few steps, untimed.
double decode_rate(const rwkv_api::Model& model, size_t n, size_t batch, const std::function<void(size_t)>& pause) {
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
  const rwkv_api::Sampler sampler(model, rwkv_api::sampler_preset("greedy"));
  const auto step = [&] {
    rwkv_api::check(rwkv_feed_many(handles.data(), batch, tokens.data(), counts.data(), logits.data()));
    for (size_t i = 0; i < batch; ++i)
      rwkv_api::check(rwkv_sampler_sample(sampler.get(), logits.data() + i * n_vocab, &tokens[i]));
  };
  for (size_t i = 0; i < kSettle; ++i) step();  // buffers grow in the first
  double seconds = 0;
  for (size_t done = 0; done < n; done += kFew) {
    const size_t few = std::min(kFew, n - done);
    const Stopwatch watch;
    for (size_t i = 0; i < few; ++i) step();
    seconds += watch.seconds();
    if (!pause) continue;
    pause(few);
    if (done + few < n)
      for (size_t i = 0; i < kSettle; ++i) step();
  }
  return static_cast<double>(n * batch) / seconds;
}

namespace {
constexpr size_t kMostAlone = 2;  // so many sequences still skip zeros (cpu::kSparseRows)
}
// As CpuExecutor::follow_activity does it: after 64 steps, or with several sequences after a window of 64 that none else shared, one
// matrix a step.
void let_layouts_settle(const rwkv_api::Model& model, size_t batch) {
  decode_rate(model, (batch <= kMostAlone ? 64 : 128) + rwkv_n_layer(model.get()), batch);
}

namespace {

// A busy loop on the first core that this process may use, for as long as it lives.
class Neighbour {
 public:
  Neighbour()
      : thread_([this] {
          while (!stop_.load(std::memory_order_relaxed)) {
          }
        }) {
    cpu_set_t allowed, first;
    CPU_ZERO(&first);
    sched_getaffinity(0, sizeof allowed, &allowed);
    int cpu = 0;
    while (cpu + 1 < CPU_SETSIZE && !CPU_ISSET(cpu, &allowed)) ++cpu;
    CPU_SET(cpu, &first);
    pthread_setaffinity_np(thread_.native_handle(), sizeof first, &first);
  }
  ~Neighbour() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Rates {
  double tokens_per_s, bytes_per_s;  // of decoding, of sweeping
};
// Few steps and as many sweeps take turns: a shared machine's memory is now fast, now slow, within a second.
Rates decode_beside_sweeps(const rwkv_api::Model& model, size_t n, size_t batch) {
  double seconds_a_byte = 0;
  const double tokens_per_s = decode_rate(model, n, batch, [&](size_t n_sweep) {
    double bytes_per_s = 0;
    rwkv_api::check(rwkv_measure_bandwidth(model.get(), &bytes_per_s));  // untimed, as the first steps
    for (size_t i = 0; i < n_sweep; ++i) {
      rwkv_api::check(rwkv_measure_bandwidth(model.get(), &bytes_per_s));
      seconds_a_byte += 1 / bytes_per_s;
    }
  });
  return {tokens_per_s, static_cast<double>(n) / seconds_a_byte};
}

// Few tokens with and without a neighbour take turns. One of the threads shares its core with it and has half: the bound
// is the fair share of the undisturbed speed.
void decode_beside_neighbour(const rwkv_api::Model& model, size_t n, BenchRow& row) {
  double disturbed = 0, alone = 0;  // seconds a token
  for (size_t done = 0; done < n; done += kFew) {
    {
      const Neighbour neighbour;
      disturbed += 1 / decode_rate(model, kFew, row.batch);
    }
    alone += 1 / decode_rate(model, kFew, row.batch);
  }
  const auto turns = static_cast<double>((n + kFew - 1) / kFew);
  row.tokens_per_s.push_back(turns / disturbed);
  row.bound_tokens_per_s.push_back((1 - 0.5 / row.threads) * turns / alone);
}

struct ProfiledOp {
  std::string name;
  double seconds = 0, bytes = 0, kernels = 0, preparing = 0;
};
struct Profile {
  std::vector<ProfiledOp> ops;  // the longest first, then all together; empty: the device does not measure
  double n_token = 0, bytes_per_s = 0;  // of sweeps beside it
};
// Of a decoding run, steps included that only let caches settle.
Profile profile_of(const rwkv_api::Model& model, size_t n, size_t batch) {
  rwkv_api::check(rwkv_profile_start(model.get(), true));
  Profile out;
  out.bytes_per_s = decode_beside_sweeps(model, n, batch).bytes_per_s;
  out.n_token = static_cast<double>((n + kSettle * ((n + kFew - 1) / kFew)) * batch);
  std::istringstream lines(rwkv_profile_text(model.get()));
  rwkv_api::check(rwkv_profile_start(model.get(), false));
  ProfiledOp all{"all"};
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find('\t');
    ProfiledOp op{line.substr(0, tab)};
    double calls = 0;
    std::istringstream(line.substr(tab)) >> calls >> op.seconds >> op.bytes >> op.kernels >> op.preparing;
    all.seconds += op.seconds;
    all.bytes += op.bytes;
    all.kernels += op.kernels;
    all.preparing += op.preparing;
    out.ops.push_back(op);
  }
  std::sort(out.ops.begin(), out.ops.end(), [](const ProfiledOp& a, const ProfiledOp& b) { return a.seconds > b.seconds; });
  if (!out.ops.empty()) out.ops.push_back(all);
  return out;
}
void print_profile(const Profile& profile, std::FILE* to) {
  if (profile.ops.empty()) return;
  std::fprintf(to, "\n| op | us a token | share | GB/s | of the sweep's %.1f | in kernels | preparing |\n|---|---|---|---|---|---|---|\n",
               profile.bytes_per_s / 1e9);
  for (const ProfiledOp& op : profile.ops)
    std::fprintf(to, "| %s | %.1f | %.1f %% | %.1f | %.0f %% | %.0f %% | %.0f %% |\n", op.name.c_str(), 1e6 * op.seconds / profile.n_token,
                 100 * op.seconds / profile.ops.back().seconds, op.bytes / op.seconds / 1e9,
                 100 * op.bytes / op.seconds / profile.bytes_per_s, 100 * op.kernels / op.seconds, 100 * op.preparing / op.seconds);
}

std::vector<BenchRow> bench_model(const Options& options, const BenchOptions& bench, bool first) {
  const rwkv_api::Model model = open_model(options);
  auto bounds = rwkv_api::options<rwkv_bounds>();
  const auto measure = [&] { rwkv_api::check(rwkv_measure_bounds(model.get(), &bounds)); };
  const auto arithmetic = [&] {
    measure();
    return 1 / (bounds.dot_per_token / bounds.dot_per_s + bounds.fma_per_token / bounds.fma_per_s);
  };
  measure();
  std::vector<BenchRow> rows;
  const auto add = [&](const std::string& test, const char* bound, size_t batch, double bytes) -> BenchRow& {
    rows.push_back({shown_name(options.model.empty() ? options.hf : options.model), json_string(model.json(), "device"), bounds.n_thread, test, bound, batch, bytes});
    return rows.back();
  };
  for (const size_t n : bench.n_prompt) {
    if (n == 0) continue;
    BenchRow& row = add("pp" + std::to_string(n), "arithmetic", 1, bounds.bytes_per_token / static_cast<double>(n));
    double before = arithmetic();  // a bound is the mean of before and after
    for (size_t i = 0; i < bench.repetitions; ++i) {
      row.tokens_per_s.push_back(prefill_rate(model, n));
      const double after = arithmetic();
      row.bound_tokens_per_s.push_back((before + after) / 2);
      before = after;
    }
  }
  // What several sequences make of the layouts stays: one goes first.
  std::vector<size_t> batches = bench.batches;
  std::stable_partition(batches.begin(), batches.end(), [](size_t batch) { return batch <= kMostAlone; });
  const bool timed = std::any_of(bench.n_gen.begin(), bench.n_gen.end(), [](size_t n) { return n > 0; });
  bool settled[2] = {};
  Profile profile;  // of the first that was asked for
  for (const size_t batch : batches) {
    const bool profiled = bench.profile && batch == bench.batches.front();
    if ((timed || profiled) && !options.dense && !std::exchange(settled[batch > kMostAlone], true)) let_layouts_settle(model, batch);
    for (const size_t n : bench.n_gen) {
      if (n == 0) continue;
      const std::string test = "tg" + std::to_string(n);
      // Many sequences share the weights' bytes, but not the arithmetic.
      const auto n_row = static_cast<double>(batch);
      const double most = batch > 1 ? arithmetic() : 0;
      const bool by_bytes = batch == 1 || n_row * bounds.bytes_per_s / bounds.bytes_per_token < most;
      BenchRow& row = add(test, by_bytes ? "bandwidth" : "arithmetic", batch, bounds.bytes_per_token);
      for (size_t i = 0; i < bench.repetitions; ++i) {
        const Rates rates = decode_beside_sweeps(model, n, batch);
        row.tokens_per_s.push_back(rates.tokens_per_s);
        row.bound_tokens_per_s.push_back(by_bytes ? n_row * rates.bytes_per_s / bounds.bytes_per_token : most);
      }
      if (!bench.neighbour) continue;
      BenchRow& disturbed = add(test + " neighbour", "fair share", batch, bounds.bytes_per_token);
      for (size_t i = 0; i < bench.repetitions; ++i) decode_beside_neighbour(model, n, disturbed);
    }
    if (profiled) profile = profile_of(model, std::max<size_t>(bench.n_gen.front(), 8), batch);
  }
  print_rows(rows, bench.format, first);
  print_profile(profile, bench.format == "md" ? stdout : stderr);  // the others are read by programs
  measure();
  std::fprintf(stderr, "bounds now: read %.1f GB/s, dot %.0f GOP/s, fma %.0f GFLOP/s\n", bounds.bytes_per_s / 1e9,
               bounds.dot_per_s / 1e9, bounds.fma_per_s / 1e9);
  return rows;
}

}  // namespace

int bench(const Options& options, const BenchOptions& bench) {
  std::vector<std::string> models = bench.models;
  if (!options.hf.empty()) models.insert(models.begin(), "");
  if (models.empty()) throw Failure("no model: name one with -m MODEL");
  if (!bench.plot.empty()) check_writable(bench.plot);
  std::vector<BenchRow> rows;
  for (const std::string& path : models) {
    Options one = options;
    one.model = path;
    if (!path.empty()) one.hf.clear();
    const std::vector<BenchRow> more = bench_model(one, bench, rows.empty());
    rows.insert(rows.end(), more.begin(), more.end());
  }
  if (!bench.plot.empty()) write_whole(bench.plot, bench_svg(rows));
  return 0;
}

}  // namespace command
