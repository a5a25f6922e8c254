// Others' models against others' logits: rwkv.cpp's tiny models, llama.cpp-loadable GGUF files with
// float64 logits, and a model that strangers trained.
#include <map>

#include "backends/cpu/cpu.h"
#include "backends/reference/reference.h"
#include "base/json.h"
#include "formats/formats.h"
#include "models/models.h"
#include "support/golden.h"

namespace rwkv::test::models_golden_test {
namespace {

std::vector<float> all_logits(Executor& executor, const std::vector<int32_t>& tokens,
                              std::vector<float>* state = nullptr) {
  const Slot slot = executor.new_slot();
  std::vector<uint32_t> rows(tokens.size());
  for (uint32_t i = 0; i < rows.size(); ++i) rows[i] = i;
  std::vector<float> logits(tokens.size() * executor.plan().n_vocab, NAN);
  const Segment segment{slot, tokens.size()};
  executor.run({tokens, {&segment, 1}, rows}, logits);
  if (state) {
    state->assign(executor.plan().state.size, NAN);
    executor.read_slot(slot, *state);
  }
  return logits;
}

Model open(const std::string& path, float v5_eps) { return build_model(open_tensor_file(path), {v5_eps}); }

std::vector<int32_t> tiny_tokens() {
  const auto bytes = read_vector<uint8_t>(golden("tiny/tokens-128.bin"));
  return {bytes.begin(), bytes.end()};
}

// rwkv.cpp's state: ffn shift before att shift; otherwise as ours.
std::vector<float> from_rwkv_cpp(const StateLayout& layout, std::vector<float> state) {
  for (size_t i = 0; i + 1 < layout.arrays.size(); ++i) {
    const StateArray &att = layout.arrays[i], &ffn = layout.arrays[i + 1];
    if (att.name == "att_shift" && ffn.name == "ffn_shift")
      std::swap_ranges(state.begin() + static_cast<ptrdiff_t>(att.offset),
                       state.begin() + static_cast<ptrdiff_t>(ffn.offset),
                       state.begin() + static_cast<ptrdiff_t>(ffn.offset));
  }
  return state;
}

struct Tiny {
  const char *model, *file, *oracle;
  float eps;
  double state_tolerance;  // of the CPU; 6v0's values reach 304
  double cpu_tolerance = 1e-4;
};
constexpr Tiny kTiny[] = {
    {"4v0-660K", "4v0-660K-FP32", "4v0-660K-128", 1e-5f, 2e-5},
    {"5v1-730K", "5v1-730K-FP32", "5v1-730K-128", 1e-5f, 2e-5},
    {"5v2-730K", "5v2-730K-FP32", "5v2-730K-128", 1e-5f, 2e-5},
    {"5v1-730K-eps", "5v1-730K-FP32", "5v1-730K-eps64e-5-128", 64e-5f, 0},
    {"5v2-730K-eps", "5v2-730K-FP32", "5v2-730K-eps64e-5-128", 64e-5f, 0},
    {"6v0-3m", "6v0-3m-Q5_1", "6v0-3m-128", 64e-5f, 1e-2, 5e-3},  // blocks: activations of 16 bits
    {"7v0-834K", "7v0-834K-FP32", "7v0-834K-128", 64e-5f, 2e-5},
};

class TinyModel : public testing::TestWithParam<Tiny> {};

TEST_P(TinyModel, agrees_with_the_float64_oracle) {
  const Tiny& t = GetParam();
  SKIP_WITHOUT(golden("tiny"));
  const std::string file = unpack("tiny/tiny-rwkv-" + std::string(t.file) + ".bin");
  ASSERT_FALSE(file.empty()) << "xz is needed";
  const Model model = open(file, t.eps);
  const auto want = read_vector<float>(golden("tiny/oracle-" + std::string(t.oracle) + ".f32"));
  std::vector<float> state;
  EXPECT_LE(max_abs_diff(all_logits(*make_reference_executor(model.plan), tiny_tokens()), want), 1e-5);
  const auto cpu = make_cpu_executor(model.plan, {.n_thread = 2});
  EXPECT_LE(max_abs_diff(all_logits(*cpu, tiny_tokens(), &state), want), t.cpu_tolerance);
  if (t.state_tolerance > 0) {
    const auto oracle = read_vector<float>(golden("tiny/oracle-" + std::string(t.oracle) + ".state.f32"));
    EXPECT_LE(max_abs_diff(state, from_rwkv_cpp(model.plan->state, oracle)), t.state_tolerance);
  }
}
INSTANTIATE_TEST_SUITE_P(golden, TinyModel, testing::ValuesIn(kTiny), [](const auto& p) {
  std::string name = p.param.model;
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
});

TEST(tiny_model, repeats_the_expected_logits_of_rwkv_cpp) {
  SKIP_WITHOUT(golden("tiny"));
  for (const char* name : {"4v0-660K", "5v1-730K", "5v2-730K", "7v0-834K"}) {
    const std::string file = unpack("tiny/tiny-rwkv-" + std::string(name) + "-FP32.bin");
    const auto want = read_vector<float>(golden("tiny/expected-logits-" + std::string(name) + ".bin"));
    const Model model = open(file, 1e-5f);
    const auto all = all_logits(*make_cpu_executor(model.plan, {.n_thread = 2}), {0x22, 0x69, 0x6e});
    EXPECT_LE(max_abs_diff(std::span(all).subspan(512), want), 1e-4) << name;
  }
}

TEST(tiny_model, quantized_files_stay_near_the_oracle) {
  SKIP_WITHOUT(golden("tiny"));
  // Largest logit error that rwkv.cpp itself shows for these formats (its README), on the same weights.
  const std::map<std::string, double> limits = {
      {"4v0-660K-Q5_1", 0.105}, {"7v0-834K-Q5_1", 0.0177}, {"5v1-730K-Q5_0", 1.51}, {"7v0-834K-FP16", 4.87e-4}};
  for (const auto& [name, limit] : limits) {
    const std::string file = unpack("tiny/tiny-rwkv-" + name + ".bin");
    const std::string stem = name.substr(0, name.rfind('-'));
    const auto want = read_vector<float>(golden("tiny/oracle-" + stem + "-128.f32"));
    const Model model = open(file, 1e-5f);
    EXPECT_LE(max_abs_diff(all_logits(*make_cpu_executor(model.plan, {.n_thread = 2}), tiny_tokens()), want),
              limit * 1.05) << name;
  }
}

struct Gguf {
  const char *file, *oracle;
  // Largest rms error of the CPU's logits. Block types round activations: at most what llama.cpp shows for the
  // same file (its README), and for Q8_0 a tenth of it.
  double rms = 2e-5;
};
constexpr Gguf kGguf[] = {
    {"rwkv7-small.f32.gguf", "rwkv7-small.f32"},       {"rwkv6-small.f32.gguf", "rwkv6-small.f32"},
    {"rwkv7-small-split.f16-00001-of-00003.gguf", "rwkv7-small.f32"},
    {"rwkv7-small-split.f16-00003-of-00003.gguf", "rwkv7-small.f32"},
    {"rwkv6-seplerp.f16.gguf", "rwkv6-seplerp.f16"},   {"rwkv6qwen2-small.f16.gguf", "rwkv6qwen2-small.f16"},
    {"arwkv7-small.f16.gguf", "arwkv7-small.f16"},     {"arwkv7-gate.bf16.gguf", "arwkv7-gate.bf16"},
    {"rwkv7-wide.Q8_0.gguf", "rwkv7-wide.Q8_0", 3.1e-3},       {"rwkv7-wide.Q4_K_M.gguf", "rwkv7-wide.Q4_K_M", 4.6e-2},
    {"rwkv7-wide.mixA.gguf", "rwkv7-wide.mixA", 3.3e-2},       {"rwkv6-wide.mixA.gguf", "rwkv6-wide.mixA", 2.3e-2},
    {"rwkv7-wide.mixK.gguf", "rwkv7-wide.mixK", 4.7e-2},       {"rwkv7-wide.mixIQ.gguf", "rwkv7-wide.mixIQ", 4.7e-2},
};
class GgufModel : public testing::TestWithParam<Gguf> {};

TEST_P(GgufModel, agrees_with_the_float64_oracle) {
  SKIP_WITHOUT(golden("gguf"));
  std::string file = golden("gguf/" + std::string(GetParam().file));
  if (!std::filesystem::exists(file)) file = unpack("gguf/" + std::string(GetParam().file));
  const auto tokens = read_vector<int32_t>(golden("gguf/seq64.i32"));
  const auto want = read_vector<float>(golden("gguf/" + std::string(GetParam().oracle) + ".oracle.f32"));
  const Model model = open(file, 64e-5f);
  EXPECT_LE(max_abs_diff(all_logits(*make_reference_executor(model.plan), tokens), want), 1e-4);
  const auto got = all_logits(*make_cpu_executor(model.plan, {.n_thread = 2}), tokens);
  double square = 0;
  for (size_t i = 0; i < want.size(); ++i) square += std::pow(static_cast<double>(got[i]) - static_cast<double>(want[i]), 2);
  EXPECT_LE(std::sqrt(square / static_cast<double>(want.size())), GetParam().rms);
}
INSTANTIATE_TEST_SUITE_P(golden, GgufModel, testing::ValuesIn(kGguf), [](const auto& p) {
  std::string name = p.param.file;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

}  // namespace
}  // namespace rwkv::test::models_golden_test
