// What the machine could do at best. Every figure is the median of some rounds, not the best of them: decode is a mean
// over many steps, and on a shared machine the best moment of a bound says nothing about them.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <numeric>

#include "backends/cpu/cpu_executor.h"

namespace rwkv::cpu {
namespace {

// f(thread) returns what one thread has done; all of them together, a second.
template <typename F>
double rate_of(ThreadPool& pool, F f) {
  std::vector<double> done(pool.size());
  const auto start = std::chrono::steady_clock::now();
  pool.run(pool.size(), [&](size_t i, size_t) { done[i] = f(i); });
  const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::accumulate(done.begin(), done.end(), 0.0) / s;
}

constexpr size_t kRounds = 7;
using Rates = std::array<double, kRounds>;
double median(Rates rates) {
  std::sort(rates.begin(), rates.end());
  return rates[kRounds / 2];
}

template <typename F>
double median_rate(ThreadPool& pool, F f) {
  Rates rates;
  for (double& rate : rates) rate = rate_of(pool, f);
  return median(rates);
}

// How many steps of a loop take 20 ms, more or less: a fixed number would take minutes under sanitizers.
template <typename Loop>
size_t steps_of(Loop loop) {
  constexpr size_t kFew = 10000;
  double s = 0;
  for (int warm = 0; warm < 2; ++warm) {
    const auto start = std::chrono::steady_clock::now();
    loop(kFew);
    s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return std::clamp(static_cast<size_t>(0.02 / std::max(s, 1e-6) * kFew), kFew / 10, kFew * 400);
}

size_t weight_bytes(std::span<const PackedOp> ops) {
  size_t bytes = 0;
  for (const PackedOp& op : ops)
    if (const auto* linear = std::get_if<PackedLinear>(&op))
      for (const PackedLinear::Part& part : linear->parts) bytes += part.part->weight.bytes.size();
  return bytes;
}

}  // namespace

// The first sweep finds the way of walking that is best on this machine: 1 to 8 streams a thread, with and without
// prefetching, in turns.
double CpuExecutor::sweep() {
  const size_t share = std::max<size_t>(weight_bytes(ops_) / pool_.size() / 4096, 256) * 4096;
  const auto rate = [&](const SweepWay& way, size_t n) {
    return rate_of(pool_, [&](size_t i) {
      table_.sweep(sweep_buffer_.as<uint8_t>() + i * share, n, way.streams, way.ahead);
      return static_cast<double>(n);
    });
  };
  if (!best_sweep_) {
    sweep_buffer_ = AlignedBuffer(share * pool_.size() + 8192);
    std::memset(sweep_buffer_.data(), 1, sweep_buffer_.size());
    constexpr SweepWay kWays[] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {1, 2048}, {2, 2048}, {4, 2048}, {8, 2048}};
    const size_t n = std::min(share, (size_t{512} << 20) / pool_.size() / 4096 * 4096);  // more than caches hold
    Rates rates[std::size(kWays)];
    for (size_t round = 0; round < kRounds; ++round)
      for (size_t i = 0; i < std::size(kWays); ++i) rates[i][round] = rate(kWays[i], n);
    const auto best = std::max_element(std::begin(rates), std::end(rates),
                                       [](const Rates& a, const Rates& b) { return median(a) < median(b); });
    best_sweep_ = kWays[best - std::begin(rates)];
  }
  return rate(*best_sweep_, share);
}

double CpuExecutor::measure_bandwidth() {
  const std::lock_guard lock(mutex_);
  return sweep();
}

Bounds CpuExecutor::measure_bounds() {
  const std::lock_guard lock(mutex_);
  Bounds out;
  out.n_thread = pool_.size();
  std::map<std::pair<bool, Pack>, double> dots;  // of each width of activations and pack
  for (const PackedOp& op : ops_)
    if (const auto* linear = std::get_if<PackedLinear>(&op))
      for (const PackedLinear::Part& part : linear->parts) {
        const Matrix& m = part.part->weight;
        const PackedLinear::Input& input = linear->inputs[part.input];
        double& sum =
            input.form == PackedLinear::Form::kFloats ? out.fma_per_token : dots[{input.wide(), part.weight.pack()}];
        sum += 2.0 * static_cast<double>(m.rows * m.cols);
      }
  out.bytes_per_token = static_cast<double>(weight_bytes(ops_));
  Rates sweeps;
  for (double& rate : sweeps) rate = sweep();
  out.bytes_per_s = median(sweeps);
  const auto loop_rate = [&](auto loop) {
    const size_t steps = steps_of(loop);
    return median_rate(pool_, [&](size_t) { return loop(steps); });
  };
  out.fma_per_s = loop_rate(table_.fma_loop);
  double seconds = 0;
  for (const auto& [kind, n] : dots) {
    out.dot_per_token += n;
    seconds += n / loop_rate([&, wide = kind.first, pack = kind.second](size_t steps) {
      return table_.dot_loop(steps, wide, pack);
    });
  }
  out.dot_per_s = seconds > 0 ? out.dot_per_token / seconds
                              : loop_rate([&](size_t steps) { return table_.dot_loop(steps, false, Pack::kQ4_0); });
  return out;
}

}  // namespace rwkv::cpu
