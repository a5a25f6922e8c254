// The squared inputs of matrices: against plain loops over the file's own tensors, and between backends.
#include <numeric>

#include "backends/cpu/cpu.h"
#include "backends/reference/reference.h"
#include "formats/formats.h"
#include "models/models.h"
#include "models/names/names.h"
#include "support/golden.h"

namespace rwkv::test::input_sums_test {
namespace {

const double kEps = static_cast<double>(1e-5f);  // the models' own, an f32
const std::vector<int32_t> kTokens = {5, 17, 255, 5, 0, 99, 42, 42};

Model open(const std::string& name) { return build_model(open_tensor_file(data(name)), {}); }

std::vector<InputSums> sums_of(Executor& executor, size_t piece) {
  executor.set_collecting(true);
  const Slot slot = executor.new_slot();
  for (size_t begin = 0; begin < kTokens.size(); begin += piece) {
    const size_t n = std::min(piece, kTokens.size() - begin);
    std::vector<uint32_t> rows(n);
    std::iota(rows.begin(), rows.end(), 0u);
    std::vector<float> logits(n * executor.plan().n_vocab);
    const Segment segment{slot, n};
    executor.run({std::span(kTokens).subspan(begin, n), {&segment, 1}, rows}, logits);
  }
  executor.free_slot(slot);
  return executor.collected();
}

std::vector<double> layer_norm(const std::vector<double>& x, const Vector& weight, const Vector& bias) {
  const auto n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double variance = 0;
  for (const double v : x) variance += (v - mean) * (v - mean) / n;
  std::vector<double> out;
  for (size_t i = 0; i < x.size(); ++i)
    out.push_back((x[i] - mean) / std::sqrt(variance + kEps) * static_cast<double>(weight[i]) +
                  static_cast<double>(bias[i]));
  return out;
}

// v7, layer 0: the input of att.receptance is h + (h of the token before - h) * x_r, h = ln1(ln0(emb)).
TEST(input_sums, agree_with_plain_loops_over_the_weights) {
  const Model model = open("v7.gguf");
  const size_t C = model.plan->n_embd, V = model.plan->n_vocab;
  const auto vector = [&](const char* name, size_t n) { return model.weights->vector(name, n); };
  const Vector emb = vector("emb.weight", V * C), x_r = vector("blocks.0.att.x_r", C);
  std::vector<double> want(C), before(C);
  for (const int32_t token : kTokens) {
    const float* row = emb.data() + static_cast<size_t>(token) * C;
    std::vector<double> h(row, row + C);
    h = layer_norm(h, vector("blocks.0.ln0.weight", C), vector("blocks.0.ln0.bias", C));
    h = layer_norm(h, vector("blocks.0.ln1.weight", C), vector("blocks.0.ln1.bias", C));
    for (size_t i = 0; i < C; ++i) {
      const double x = h[i] + (before[i] - h[i]) * static_cast<double>(x_r[i]);
      want[i] += x * x;
    }
    before = h;
  }
  const auto executor = make_reference_executor(model.plan);
  bool found = false;
  for (const InputSums& sums : sums_of(*executor, 3)) {
    EXPECT_EQ(sums.n_row, kTokens.size()) << sums.name;
    if (sums.name != "blocks.0.att.receptance.weight") continue;
    found = true;
    EXPECT_LE(max_abs_diff(sums.sums, want), 1e-9);
  }
  EXPECT_TRUE(found);
}

TEST(input_sums, of_the_cpu_agree_with_the_reference) {
  for (const char* name : {"v4.gguf", "v5.2.gguf", "v6.gguf", "v7.gguf", "rwkv6qwen2.gguf", "arwkv7.gguf"}) {
    const Model model = open(name);
    const auto reference = make_reference_executor(model.plan);
    const auto cpu = make_cpu_executor(model.plan, {.n_thread = 2});
    const auto want = sums_of(*reference, 8), got = sums_of(*cpu, 3);
    ASSERT_EQ(got.size(), want.size()) << name;
    ASSERT_FALSE(got.empty()) << name;
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].name, want[i].name);
      EXPECT_EQ(got[i].n_row, want[i].n_row) << name << " " << got[i].name;
      EXPECT_EQ(got[i].sparse, want[i].sparse) << name << " " << got[i].name;
      if (got[i].sparse) {
        // Relu leaves some of random values, and where it does is the same but for values close to 0.
        EXPECT_TRUE(want[i].n_zero > 0 && want[i].n_zero < want[i].n_row * want[i].sums.size()) << name;
        EXPECT_NEAR(static_cast<double>(got[i].n_zero), static_cast<double>(want[i].n_zero), 2) << name;
      }
      // Inputs agree to about 1e-4 of their size; squares to twice that.
      const double largest = *std::max_element(want[i].sums.begin(), want[i].sums.end());
      EXPECT_LE(max_abs_diff(got[i].sums, want[i].sums), 1e-3 * largest + 1e-12) << name << " " << got[i].name;
    }
  }
}

TEST(input_sums, are_forgotten_at_the_start_and_stop) {
  const Model model = open("v7.gguf");
  const auto cpu = make_cpu_executor(model.plan, {.n_thread = 1});
  const auto first = sums_of(*cpu, 8), second = sums_of(*cpu, 8);
  EXPECT_EQ(first.front().sums, second.front().sums);
  cpu->set_collecting(false);
  const Slot slot = cpu->new_slot();
  const Segment segment{slot, kTokens.size()};
  cpu->run({kTokens, {&segment, 1}, {}}, {});
  EXPECT_EQ(cpu->collected().front().n_row, second.front().n_row);
}

// gguf_name is the inverse of reading a GGUF file.
TEST(gguf_name, is_what_the_file_calls_the_tensor) {
  for (const char* name : {"v4.gguf", "v5.2.gguf", "v6.gguf", "v6-old.gguf", "v7.gguf", "rwkv6qwen2.gguf",
                           "arwkv7.gguf"}) {
    const Model model = open(name);
    for (const auto& [canonical, entry] : model.weights->entries()) {
      if (entry.source.find("fused") != std::string::npos) continue;
      EXPECT_EQ(gguf_name(model.version, canonical), entry.source) << name << " " << canonical;
    }
  }
  EXPECT_EQ(gguf_name("v7", "blocks.12.att.key.weight"), "blk.12.time_mix_key.weight");
  EXPECT_EQ(gguf_name("v7", "blocks.0.no_such"), "");
}

}  // namespace
}  // namespace rwkv::test::input_sums_test
