// States of other programs: golden files of llama.cpp and rwkv.cpp, and every layout there and
// back.
#include "convert/state_layouts.h"

#include <unistd.h>

#include <random>

#include "backends/reference/reference.h"
#include "base/error.h"
#include "formats/formats.h"
#include "support/golden.h"
#include "support/random_model.h"

namespace rwkv::test::state_layouts_test {
namespace {

std::vector<float> state_after(const Model& model, const std::vector<int32_t>& tokens) {
  const auto executor = make_reference_executor(model.plan);
  const Slot slot = executor->new_slot();
  std::vector<uint32_t> rows = {0};
  std::vector<float> logits(model.plan->n_vocab), state(model.plan->state.size);
  const Segment segment{slot, tokens.size()};
  executor->run({tokens, {&segment, 1}, rows}, logits);
  executor->read_slot(slot, state);
  return state;
}

TEST(StateLayouts, llama_cpp_files_hold_our_state) {
  for (const char* name : {"rwkv7-small", "rwkv6-small"}) {
    SKIP_WITHOUT(golden(std::string("gguf/") + name + ".seqstate.bin"));
    const std::string file = unpack(std::string("gguf/") + name + ".f32.gguf");
    ASSERT_FALSE(file.empty());
    const Model model = build_model(open_tensor_file(file), {});
    const std::string path = golden(std::string("gguf/") + name + ".seqstate.bin");
    const auto map = MappedFile::open(path);
    ASSERT_TRUE(is_llama_state(map->bytes()));
    const auto got = parse_llama_state(*model.plan, map->bytes(), path);
    EXPECT_EQ(got.n_token, 64u);
    EXPECT_LE(
        max_abs_diff(got.state, state_after(model, read_vector<int32_t>(golden("gguf/seq64.i32")))),
        1e-3);
    for (const size_t size : {size_t{3}, size_t{40}, map->bytes().size() - 1})
      EXPECT_THROW(parse_llama_state(*model.plan, map->bytes().first(size), path), Error);
    std::filesystem::remove(file);
  }
}

TEST(StateLayouts, every_layout_there_and_back) {
  for (const char* version : kVersions) {
    SCOPED_TRACE(version);
    RandomModel spec;
    spec.version = version;
    const Model model = make_model(spec);
    const Plan& plan = *model.plan;
    StateAndLength state{std::vector<float>(plan.state.size), 7};
    std::mt19937_64 random(3);
    for (float& x : state.state) x = std::normal_distribution<float>()(random);
    const bool v4 = spec.version == "v4", v5 = spec.version.rfind("v5", 0) == 0;
    const std::string path = testing::TempDir() + "/state." + std::to_string(::getpid());

    write_foreign_state(plan, state, model.version, "rwkv.cpp", path);
    auto map = MappedFile::open(path);
    EXPECT_TRUE(same_bits(parse_rwkv_cpp_state(plan, map->bytes(), path).state, state.state));
    if (!v4 && plan.state.arrays.size() % 3 == 0) {  // by its layout, ffn_shift comes first
      const StateArray& shift = plan.state.arrays[plan.state.find("ffn_shift", 0)];
      EXPECT_EQ(std::memcmp(map->bytes().data(), state.state.data() + shift.offset, shift.size * 4),
                0);
    }
    write_foreign_state(plan, state, model.version, "pip", path);
    const auto list = open_tensor_file(path);
    ASSERT_TRUE(is_pip_state(*list));
    EXPECT_TRUE(same_bits(parse_pip_state(plan, *list).state, state.state));
    if (v4) {
      EXPECT_THROW(write_foreign_state(plan, state, model.version, "tuned", path), Error);
    }
    if (v4 || v5) {
      EXPECT_THROW(write_foreign_state(plan, state, model.version, "llama.cpp", path), Error);
    } else {
      write_foreign_state(plan, state, model.version, "llama.cpp", path);
      map = MappedFile::open(path);
      const auto back = parse_llama_state(plan, map->bytes(), path);
      EXPECT_TRUE(same_bits(back.state, state.state));
      EXPECT_EQ(back.n_token, 7u);
    }
    EXPECT_THROW(write_foreign_state(plan, state, model.version, "other", path), Error);
    std::filesystem::remove(path);
  }
}

TEST(StateLayouts, mixing_is_linear_and_v4_meets_at_one_exponent) {
  RandomModel spec;
  spec.version = "v4";
  const Model model = make_model(spec);
  const Plan& plan = *model.plan;
  std::vector<float> a(plan.state.size, 1.0f), b(plan.state.size, 3.0f);
  const StateArray& pp = plan.state.arrays[plan.state.find("pp", 0)];
  const StateArray& aa = plan.state.arrays[plan.state.find("aa", 0)];
  const StateArray& shift = plan.state.arrays[plan.state.find("att_shift", 0)];
  b[pp.offset] = 1.0f + std::log(2.0f);  // b's aa counts twice as much as a's
  const std::vector<std::vector<float>> states = {a, b};
  const std::vector<float> weights = {0.25f, 0.75f};
  const auto mixed = mix_states(plan, states, weights);
  EXPECT_FLOAT_EQ(mixed[shift.offset], 0.25f * 1 + 0.75f * 3);
  EXPECT_FLOAT_EQ(mixed[pp.offset], b[pp.offset]);
  EXPECT_FLOAT_EQ(mixed[aa.offset], 0.25f * 1 / 2 + 0.75f * 3);

  std::vector<std::vector<float>> far = {a, b};  // a state that does not count does not set the exponent
  far[0][pp.offset] = 120;
  EXPECT_EQ(mix_states(plan, far, std::vector<float>{0, 1}), b);
}

}  // namespace
}  // namespace rwkv::test::state_layouts_test
