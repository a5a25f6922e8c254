// Encoders of the block types, one thread: MB/s of input, counted as F16, and the root mean square error on
// the golden rows (unit normal values; three outliers of 30; a heavy tail) beside what ggml's quantizer
// leaves on the same rows.
// `--markdown` prints the table of docs/formats.md instead.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace {

using namespace rwkv;

const std::string kGolden = RWKV_GOLDEN_DIR "/blocks/";

struct Kind {
  const char* name;
  const char* column;  // of rmse.csv
  size_t first, last;  // rows of 256
  bool relative;
};
constexpr Kind kKinds[] = {{"normal", "rmse_normal", 0, 16, false},
                           {"outliers", "rmse_outlier_row", 16, 17, false},
                           {"heavy tail", "rmse_heavy_tail_row", 17, 18, false},
                           {"1 to 4", "rmse_one_sided_row", 21, 22, false},
                           {"around 1e-6", "relative_rmse_tiny_row", 18, 19, true}};

std::vector<float> golden_input() {
  std::ifstream in(kGolden + "input.f32", std::ios::binary);
  std::vector<float> out(24 * 256);
  in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(4 * out.size()));
  if (!in) out.clear();
  return out;
}

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> out;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) out.push_back(cell);
  return out;
}

// What ggml leaves on the rows of `kind`; NaN when the table is absent or lacks the type.
double ggml_error(const DTypeInfo& type, const Kind& kind) {
  std::ifstream in(kGolden + "rmse.csv");
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> head = cells(line);
  while (std::getline(in, line)) {
    const std::vector<std::string> row = cells(line);
    for (size_t i = 0; i < row.size(); ++i)
      if (row[0] == type.name && head[i] == kind.column) return std::stod(row[i]);
  }
  return NAN;
}

double our_error(const DTypeInfo& type, const Kind& kind, const std::vector<float>& input) {
  if (!type.encode || input.empty()) return NAN;
  const size_t n = 256 * (kind.last - kind.first), n_block = n / type.block_values;
  const float* x = input.data() + 256 * kind.first;
  std::vector<std::byte> bytes(n_block * type.block_bytes);
  std::vector<float> got(n);
  type.encode(x, n_block, nullptr, bytes.data());
  type.decode(bytes.data(), n_block, got.data());
  double error = 0, size = 0;
  for (size_t i = 0; i < n; ++i) {
    error += std::pow(static_cast<double>(got[i]) - static_cast<double>(x[i]), 2);
    size += std::pow(static_cast<double>(x[i]), 2);
  }
  return std::sqrt(error / (kind.relative ? size : static_cast<double>(n)));
}

void encode(benchmark::State& state, const DTypeInfo* type) {
  constexpr size_t kValues = size_t{1} << 18;
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> x(kValues);
  for (float& value : x) value = normal(random);
  std::vector<std::byte> out(bytes_of(type->dtype, kValues));
  for (auto _ : state) {
    type->encode(x.data(), kValues / type->block_values, nullptr, out.data());
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  state.counters["MB/s"] =
      Counter(2e-6 * static_cast<double>(state.iterations() * kValues), Counter::kIsRate);
  const std::vector<float> input = golden_input();
  for (size_t i = 0; i < 3; ++i) {
    state.counters[kKinds[i].name] = our_error(*type, kKinds[i], input);
    state.counters[std::string(kKinds[i].name) + ", ggml"] = ggml_error(*type, kKinds[i]);
  }
}

std::string figure(double value) {
  if (std::isnan(value)) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

void print_markdown() {
  const std::vector<float> input = golden_input();
  std::printf("| type | bits a weight | written |");
  for (const Kind& kind : kKinds) std::printf(" %s | ggml |", kind.name);
  std::printf("\n|---|---|---|");
  for (size_t i = 0; i < 2 * std::size(kKinds); ++i) std::printf("---|");
  std::printf("\n");
  for (size_t i = 0; i < static_cast<size_t>(DType::kCount); ++i) {
    const DTypeInfo& type = info(static_cast<DType>(i));
    if (!type.decode) continue;
    const double bits = 8 * static_cast<double>(type.block_bytes) / static_cast<double>(type.block_values);
    std::printf("| %s | %.4g | %s |", std::string(type.name).c_str(), bits, type.encode ? "yes" : "");
    for (const Kind& kind : kKinds)
      std::printf(" %s | %s |", figure(our_error(type, kind, input)).c_str(),
                  figure(ggml_error(type, kind)).c_str());
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--markdown") {
    print_markdown();
    return 0;
  }
  for (size_t i = 0; i < static_cast<size_t>(DType::kCount); ++i) {
    const DTypeInfo& type = info(static_cast<DType>(i));
    if (!type.encode) continue;
    benchmark::RegisterBenchmark(("encode/" + std::string(type.name)).c_str(), encode, &type)
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
