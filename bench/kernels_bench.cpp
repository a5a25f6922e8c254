// Single kernels, one thread: matrix times one row (bound by memory; cached: what its arithmetic alone allows), times 128
// rows (bound by multiply-adds), and the v7 recurrence; and what lies between the cores of two threads. Bounds measured
// beside each: a read-only sweep over as many bytes (sweep_GB/s), and a loop of fused multiply-adds or integer dot products
// in registers (of_bound).
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "backends/cpu/isa/tables.h"
#include "backends/cpu/packed.h"

namespace {

using namespace rwkv;
using cpu::KernelTable;

constexpr size_t kCols = 2048, kRows = 8192, kCachedRows = 256;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Bytes per second of the best of some sweeps over `bytes`.
double sweep_bound(const void* data, size_t bytes) {
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const auto start = std::chrono::steady_clock::now();
    uint64_t sum = 0;
    const auto* words = static_cast<const uint64_t*>(data);
    for (size_t i = 0; i < bytes / 8; i += 8) sum += words[i] + words[i + 1] + words[i + 2] + words[i + 3] +
                                                      words[i + 4] + words[i + 5] + words[i + 6] + words[i + 7];
    benchmark::DoNotOptimize(sum);
    best = std::max(best, static_cast<double>(bytes) / seconds_since(start));
  }
  return best;
}

// by_unit: of an input of which 85 % is 0, and most weights are not read; GB/s count all. What is read fits the last-level cache.
void linear(benchmark::State& state, const KernelTable* table, DType type, size_t n_out, size_t rows, bool wide, bool by_unit) {
  ThreadPool pool(1);
  Arena arena;
  std::vector<std::byte> bytes(bytes_of(type, n_out * kCols));
  const cpu::PackedMatrix weight({type, n_out, kCols, bytes, "w"}, by_unit ? cpu::PackOrder::kByUnit : cpu::PackOrder::kPanels,
                                 pool, arena);
  const size_t n_block = kCols / 32, act = table->act_bytes[wide];
  std::vector<float> x(rows * kCols + 16, 0.5f), y(rows * n_out), scale(rows * n_block);
  std::vector<uint8_t> blocks(rows * n_block * act);
  std::vector<int32_t> sum(2 * rows * n_block);
  if (by_unit)
    for (size_t i = 0; i < x.size(); ++i)
      if (i * 2654435761u % 100 < 85) x[i] = 0;
  std::vector<uint8_t> active(by_unit ? rows * n_block * cpu::kActiveBytes : 0);
  cpu::LinearArgs args{};
  args.active = by_unit ? active.data() : nullptr;
  args.x = x.data();
  args.x_stride = kCols;
  args.rows = rows;
  args.y = y.data();
  args.y_stride = n_out;
  args.wide = wide;
  args.blocks = blocks.data();
  args.scale = scale.data();
  args.sum = sum.data();
  args.row_blocks = n_block;
  const cpu::ActGroups& groups = table->act_groups;
  const bool grouped = weight.takes_blocks() && !wide && groups.rows > 0 && rows >= groups.from;
  const AlignedBuffer in_groups(grouped ? groups.size(rows, n_block) : 1);
  if (grouped) args.groups = in_groups.as<uint8_t>();
  for (auto _ : state) {
    for (size_t t = 0; t < rows && (weight.takes_blocks() || by_unit); ++t) {
      cpu::QuantizeArgs row{};
      row.x = x.data() + t * kCols;
      row.k = kCols;
      row.wide = wide;
      if (by_unit) row.active = active.data() + t * n_block * cpu::kActiveBytes;
      if (weight.takes_blocks()) row.blocks = blocks.data() + t * n_block * act;
      row.scale = scale.data() + t * n_block;
      row.sum = sum.data() + 2 * t * n_block;
      if (grouped) row.group = in_groups.as<uint8_t>() + groups.offset(t, n_block);
      row.lane = grouped ? t % groups.rows : 0;
      table->quantize(row);
    }
    for (size_t i = 0; i < weight.n_tile(rows < cpu::kManyRows); ++i) {
      weight.locate(weight.tile(rows < cpu::kManyRows, i), args);
      table->linear(args);  // every tile to the same place
    }
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  const double n = static_cast<double>(state.iterations());
  const auto loop = [&] {
    return weight.takes_blocks() ? table->dot_loop(1000000, wide, weight.pack()) : table->fma_loop(1000000);
  };
  const double ops = loop();
  const auto start = std::chrono::steady_clock::now();
  benchmark::DoNotOptimize(loop());
  const double bound = ops / seconds_since(start);
  state.counters["GB/s"] = Counter(n * static_cast<double>(weight.bytes()) / 1e9, Counter::kIsRate);
  weight.locate(weight.tile(rows < cpu::kManyRows, 0), args);  // where all of it begins
  state.counters["sweep_GB/s"] = sweep_bound(args.panels, weight.bytes()) / 1e9;
  state.counters["GOP/s"] = Counter(2e-9 * n * static_cast<double>(rows * n_out * kCols), Counter::kIsRate);
  state.counters["of_bound"] = Counter(2 * n * static_cast<double>(rows * n_out * kCols) / bound, Counter::kIsRate);
}

void wkv7(benchmark::State& state, const KernelTable* table) {
  constexpr size_t kSize = 64, kHeads = 32;
  std::vector<float> v(kSize * kHeads, 0.1f), out(v.size()), s(kSize * kSize * kHeads, 0.01f);
  for (auto _ : state)
    for (size_t h = 0; h < kHeads; ++h) {
      const float* p = v.data() + h * kSize;
      const cpu::HeadArgs head{1, kSize, p, p, p, p, out.data() + h * kSize, 0, 0, 0, 0, 0,
                               s.data() + h * kSize * kSize, p, p, 64e-5f};
      table->wkv7({head, p, p, nullptr, nullptr, 0, 0, 0, 0, p, p, p});
    }
  state.counters["ns/head"] = benchmark::Counter(
      static_cast<double>(state.iterations() * kHeads) * 1e-9,
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// How far two threads' cores are from each other: a message from one to the other (real time of a round trip / 2), and what
// both read from memory together. On a virtual machine both change with where the host puts its processors: --benchmark_repetitions.
void cores(benchmark::State& state, const KernelTable* table) {
  if (default_thread_count() < 2) return state.SkipWithError("one core");
  constexpr int kTrips = 20000;
  constexpr size_t kBytes = size_t{512} << 20;
  AlignedBuffer buffer(kBytes);
  std::memset(buffer.data(), 1, kBytes);
  struct alignas(128) { std::atomic<int> value{0}; } turn;
  const auto wait_for = [&](int value) {
    while (turn.value.load(std::memory_order_acquire) != value) {
    }
  };
  const auto sweep = [&](size_t half) { table->sweep(buffer.as<uint8_t>() + half * (kBytes / 2), kBytes / 2, 4, 0); };
  double trips = 0, swept = 0;  // seconds
  for (auto _ : state) {
    turn.value = 0;
    auto start = std::chrono::steady_clock::now();
    std::thread answers([&] {
      for (int i = 0; i < kTrips; ++i) {
        wait_for(2 * i + 1);
        turn.value.store(2 * i + 2, std::memory_order_release);
      }
    });
    for (int i = 0; i < kTrips; ++i) {
      turn.value.store(2 * i + 1, std::memory_order_release);
      wait_for(2 * i + 2);
    }
    answers.join();
    trips += seconds_since(start);
    start = std::chrono::steady_clock::now();
    std::thread other(sweep, 0);
    sweep(1);
    other.join();
    swept += seconds_since(start);
  }
  const auto n = static_cast<double>(state.iterations());
  state.counters["ns a message"] = trips / n / (2 * kTrips) * 1e9;
  state.counters["GB/s of both"] = n * kBytes / swept / 1e9;
}

const bool registered = [] {
  for (const KernelTable* table : cpu::compiled_tables()) {
    if (!cpu::can_run(*table)) continue;
    for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
                             DType::kQ5_0, DType::kQ5_1, DType::kIQ4_NL, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K,
                             DType::kQ5_K, DType::kQ6_K, DType::kIQ4_XS})
      for (const bool wide : {false, true}) {
        if (wide && info(type).block_values == 1) continue;
        const std::string label =
            std::string("linear/") + table->name + "/" + std::string(name(type)) + (wide ? "/s16" : "") + "/rows:";
        for (const size_t rows : {1, 8, 128})
          benchmark::RegisterBenchmark((label + std::to_string(rows)).c_str(), linear, table, type, kRows, rows, wide, false)
              ->Unit(benchmark::kMillisecond);
        benchmark::RegisterBenchmark((label + "1/cached").c_str(), linear, table, type, kCachedRows, size_t{1}, wide, false)
            ->Unit(benchmark::kMillisecond);
        if (cpu::find_slice_packer(type) || type == DType::kF16 || type == DType::kBF16)
          benchmark::RegisterBenchmark((label + "1/by_unit").c_str(), linear, table, type, kRows, size_t{1}, wide, true)
              ->Unit(benchmark::kMillisecond);
      }
    benchmark::RegisterBenchmark((std::string("wkv7/") + table->name).c_str(), wkv7, table);
  }
  benchmark::RegisterBenchmark("cores", cores, &cpu::choose_table(""))->UseRealTime()->Iterations(3);
  return true;
}();

}  // namespace
