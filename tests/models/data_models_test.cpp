// Every version, from every format and naming scheme, against float64 logits and states of our own oracle
// (tests/data, made by make_data.py).
#include "backends/cpu/cpu.h"
#include "backends/reference/reference.h"
#include "base/json.h"
#include "formats/formats.h"
#include "models/models.h"
#include "support/golden.h"

namespace rwkv::test::data_models_test {
namespace {

struct Case {
  std::string file, tokens, logits, state;
  float eps = 64e-5f;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.file; }

std::vector<Case> cases() {
  const auto text = read_vector<char>(data("index.json"));
  const Json json = Json::parse({text.data(), text.size()}, "index.json");
  const Json& list = json.is(Json::Kind::kArray) ? json : *json.find("models");
  std::vector<Case> out;
  for (const Json& entry : list.array())
    out.push_back({entry.find("file")->string(), entry.find("tokens")->string(),
                   entry.find("logits")->string(), entry.find("state")->string(),
                   static_cast<float>(entry.find("eps")->number())});
  return out;
}

class DataModel : public testing::TestWithParam<Case> {};

void check(Executor& executor, const Case& c, double logit_tolerance, double state_tolerance) {
  const auto tokens = read_vector<int32_t>(data(c.tokens));
  const Slot slot = executor.new_slot();
  std::vector<uint32_t> rows(tokens.size());
  for (uint32_t i = 0; i < rows.size(); ++i) rows[i] = i;
  std::vector<float> logits(tokens.size() * executor.plan().n_vocab, NAN);
  const Segment segment{slot, tokens.size()};
  executor.run({tokens, {&segment, 1}, rows}, logits);
  EXPECT_LE(max_abs_diff(logits, read_vector<float>(data(c.logits))), logit_tolerance);
  std::vector<float> state(executor.plan().state.size, NAN);
  executor.read_slot(slot, state);
  EXPECT_LE(max_abs_diff(state, read_vector<float>(data(c.state))), state_tolerance);
}

// rwkv.cpp's files hold decays rounded to f32 after exp: up to 6e-6 in the logits.
TEST_P(DataModel, reference_equals_the_oracle) {
  const Model model = build_model(open_tensor_file(data(GetParam().file)), {GetParam().eps});
  check(*make_reference_executor(model.plan), GetParam(), 1e-5, 1e-5);
}
TEST_P(DataModel, cpu_is_close_to_the_oracle) {
  const Model model = build_model(open_tensor_file(data(GetParam().file)), {GetParam().eps});
  check(*make_cpu_executor(model.plan, {.n_thread = 2}), GetParam(), 1e-4, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(all, DataModel, testing::ValuesIn(cases()), [](const auto& p) {
  std::string name = p.param.file;
  for (char& ch : name)
    if (!std::isalnum(static_cast<unsigned char>(ch))) ch = '_';
  return name;
});

}  // namespace
}  // namespace rwkv::test::data_models_test
