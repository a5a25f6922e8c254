// One step of sampling from 65536 logits, by preset and by how flat the odds are (google-benchmark): what a decoded token costs
// beside the model.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "sampling/sampler.h"

namespace {

using namespace rwkv;

constexpr size_t kVocab = 65536, kRows = 16;

// Normal logits; of a trained model some stand out.
std::vector<std::vector<float>> some_logits(double spread, bool peaks) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, static_cast<float>(spread));
  std::vector<std::vector<float>> rows(kRows, std::vector<float>(kVocab));
  for (std::vector<float>& row : rows) {
    for (float& x : row) x = normal(random);
    for (int i = 0; peaks && i < 3; ++i) row[random() % kVocab] = static_cast<float>(spread * (5.5 - 0.25 * i));
  }
  return rows;
}

void sample(benchmark::State& state, const Preset& preset, double spread, bool peaks) {
  const auto rows = some_logits(spread, peaks);
  SamplerParams params = preset.params;
  params.seed = 1;
  const auto sampler = Sampler::make(params, kVocab);
  size_t row = 0;
  for (auto _ : state) {
    const int32_t token = sampler->sample(rows[row++ % kRows]);
    sampler->accept(token, Sampler::Origin::kGenerated);
    benchmark::DoNotOptimize(token);
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const char* name : {"greedy", "plain", "chat", "pip", "g1", "creative", "lightning"})
    for (const bool peaks : {true, false})
      benchmark::RegisterBenchmark((std::string("sample/") + name + (peaks ? "/trained" : "/flat")).c_str(), sample,
                                   *find_preset(name), peaks ? 4.0 : 1.0, peaks)
          ->Unit(benchmark::kMicrosecond);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
