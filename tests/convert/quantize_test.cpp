// Quantizing: every type on every version runs and stays near the original, the mixes, overrides,
// and quantizing while loading against quantizing first.
#include <unistd.h>

#include "backends/cpu/cpu.h"
#include "backends/reference/reference.h"
#include "base/error.h"
#include "convert/convert.h"
#include "convert/load.h"
#include "formats/formats.h"
#include "support/golden.h"
#include "support/random_model.h"

namespace rwkv::test::quantize_test {
namespace {

namespace fs = std::filesystem;

class Quantize : public testing::Test {
 protected:
  Quantize() : folder_(testing::TempDir() + "/quantize." + std::to_string(::getpid())) {
    fs::create_directories(folder_);
  }
  ~Quantize() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return folder_ + "/" + name; }

  // A random model as a file under BlinkDL's names (the hybrids have none there).
  std::string save(const RandomModel& spec) const {
    const auto file = make_file(spec);
    std::vector<TensorSpec> specs;
    for (const Tensor& t : file->tensors()) specs.push_back({t.name, t.dtype, t.shape});
    write_safetensors(at(spec.version + ".safetensors"), specs, {},
                      [&](size_t i, const ByteSink& sink) { sink(file->tensors()[i].bytes); });
    return at(spec.version + ".safetensors");
  }
  ConvertReport quantize(const std::string& in, const std::string& out, const std::string& type,
                         TypeOptions types = {}) const {
    ConvertOptions options;
    types.type = type;
    options.types = types;
    return convert_model(in, at(out), options);
  }

  std::string folder_;
};

std::vector<float> logits_of(const Model& model) {
  const auto executor = make_reference_executor(model.plan);
  const Slot slot = executor->new_slot();
  const std::vector<int32_t> tokens = {1, 2, 60, 17, 3};
  const std::vector<uint32_t> rows = {0, 1, 2, 3, 4};
  std::vector<float> logits(tokens.size() * model.plan->n_vocab, NAN);
  const Segment segment{slot, tokens.size()};
  executor->run({tokens, {&segment, 1}, rows}, logits);
  return logits;
}
std::vector<float> logits_of(const std::string& path) {
  return logits_of(build_model(open_tensor_file(path), {}));
}

double relative_rms(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double d = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    error += d * d;
    size += static_cast<double>(want[i]) * static_cast<double>(want[i]);
  }
  return std::sqrt(error / size);
}

struct TypeCase {
  const char* type;
  double limit;  // of the logits' relative rms: random models amplify rounding; a wrong byte gives
                 // 1 or more
};
constexpr TypeCase kTypes[] = {{"F32", 1e-6},   {"F16", 2e-3},   {"BF16", 1.5e-2}, {"Q8_0", 0.05},
                               {"Q6_K", 0.15},  {"Q5_K_M", 0.4}, {"Q5_K_S", 0.4},  {"Q5_1", 0.4},
                               {"Q5_0", 0.5},   {"Q4_K_M", 0.6}, {"Q4_K_S", 0.6},  {"Q4_1", 0.6},
                               {"Q4_0", 0.6},   {"IQ4_NL", 0.6}, {"IQ4_XS", 0.6},  {"Q3_K_L", 0.8},
                               {"Q3_K_M", 0.9}, {"Q3_K_S", 1.0}, {"Q2_K", 1.5}};

class EveryType : public Quantize, public testing::WithParamInterface<std::string> {};

TEST_P(EveryType, runs) {
  RandomModel spec;
  spec.version = GetParam();
  spec.n_embd = 256;
  spec.n_ffn = 512;
  spec.head_size = 64;
  spec.rank = 32;
  const std::string file = save(spec);
  const auto want = logits_of(file);
  for (const TypeCase& c : kTypes) {
    SCOPED_TRACE(c.type);
    const auto report = quantize(file, "q.gguf", c.type);
    EXPECT_LE(relative_rms(logits_of(at("q.gguf")), want), c.limit);
    if (std::string(c.type) != "F32") {  // where layer 0's v pair is added
      EXPECT_LT(report.bytes_out, report.bytes_in);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Quantize, EveryType, testing::Values("v4", "v5.0", "v5.1", "v5.2", "v6", "v7", "v7a"),
                         [](const auto& p) { return name_of_test(p.param); });

TEST_F(Quantize, vectors_stay_f32_low_rank_has_8_bits_and_the_head_at_least_6) {
  RandomModel spec;
  spec.n_embd = 256, spec.n_ffn = 512, spec.head_size = 64, spec.rank = 32, spec.n_layer = 12;
  const auto report = quantize(save(spec), "q.gguf", "Q4_K_S");
  std::map<std::string, DType> types;
  for (const auto& t : report.tensors) types[t.name] = t.to;
  EXPECT_EQ(types.at("output.weight"), DType::kQ6_K);
  EXPECT_EQ(types.at("token_embd.weight"), DType::kQ4_K);
  EXPECT_EQ(types.at("blk.1.time_mix_key.weight"), DType::kQ4_K);
  EXPECT_EQ(types.at("blk.0.time_mix_output.weight"), DType::kQ8_0);
  EXPECT_EQ(types.at("blk.1.time_mix_w1.weight"), DType::kQ8_0);
  EXPECT_EQ(types.at("blk.1.time_mix_w0.weight"), DType::kF32);
  EXPECT_EQ(types.at("blk.1.time_mix_lerp_fused.weight"), DType::kF32);
}

TEST_F(Quantize, overrides_pure_and_rows_that_fit_no_block) {
  RandomModel spec;
  spec.n_embd = 96, spec.n_ffn = 256, spec.head_size = 32, spec.rank = 8;
  const std::string file = save(spec);
  TypeOptions types;
  types.tensor_types = {"channel_mix_key=q8_0", "blocks\\.1\\.att\\.value=Q5_1"};
  types.output_type = "f16";
  auto report = quantize(file, "q.gguf", "q4_k_m", types);
  std::map<std::string, DType> got;
  for (const auto& t : report.tensors) got[t.name] = t.to;
  EXPECT_EQ(got.at("blk.0.channel_mix_key.weight"), DType::kQ8_0);
  EXPECT_EQ(got.at("blk.1.time_mix_value.weight"), DType::kQ5_1);
  EXPECT_EQ(got.at("output.weight"), DType::kF16);
  EXPECT_EQ(got.at("blk.0.time_mix_w2.weight"), DType::kF16);  // rows of 8
  EXPECT_FALSE(report.notes.empty());

  TypeOptions pure;
  pure.pure = true;
  report = quantize(file, "p.gguf", "Q4_0", pure);
  for (const auto& t : report.tensors)
    if (t.name == "output.weight" || t.name == "token_embd.weight") {
      EXPECT_EQ(t.to, DType::kQ4_0);
    }
  for (const char* bad : {"nothing=q8_0", "=q8_0", "key", "key=q9_9", "(=q8_0"}) {
    TypeOptions o;
    o.tensor_types = {bad};
    EXPECT_THROW(quantize(file, "n.gguf", "q4_0", o), Error) << bad;
  }
  EXPECT_FALSE(fs::exists(at("n.gguf")));
}

TEST_F(Quantize, a_second_rounding_is_refused_unless_allowed) {
  RandomModel spec;
  spec.n_embd = 256, spec.n_ffn = 512, spec.head_size = 64;
  quantize(save(spec), "a.gguf", "Q8_0");
  TypeOptions types;
  types.allow_requantize = false;
  EXPECT_THROW(quantize(at("a.gguf"), "b.gguf", "Q4_0", types), Error);
  EXPECT_FALSE(fs::exists(at("b.gguf")));
  quantize(at("a.gguf"), "same.gguf", "Q8_0", types);
  EXPECT_TRUE(same_bits(logits_of(at("same.gguf")), logits_of(at("a.gguf"))));
  types.allow_requantize = true;
  quantize(at("a.gguf"), "b.gguf", "Q4_0", types);
  EXPECT_TRUE(fs::exists(at("b.gguf")));
}

TEST_F(Quantize, rwkv_cpp_formats_round_trip) {
  RandomModel spec;
  spec.n_embd = 64, spec.n_ffn = 128, spec.head_size = 32;
  const std::string file = save(spec);
  for (const char* type : {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"}) {
    quantize(file, "m.bin", type);
    const auto got = open_tensor_file(at("m.bin"));
    EXPECT_EQ(name(got->find("blocks.0.att.key.weight")->dtype), type);
    EXPECT_EQ(got->find("head.weight")->dtype, DType::kF32);
    ConvertOptions options;
    convert_model(at("m.bin"), at("m.gguf"), options);
    EXPECT_TRUE(same_bits(logits_of(at("m.gguf")), logits_of(at("m.bin")))) << type;
  }
  EXPECT_THROW(quantize(file, "k.bin", "Q4_K_M"), Error);
  EXPECT_THROW(quantize(file, "k.pth", "Q4_0"), Error);
}

TEST_F(Quantize, while_loading_gives_what_the_file_gives) {
  RandomModel spec;
  spec.n_embd = 256, spec.n_ffn = 512, spec.head_size = 64, spec.rank = 32;
  const std::string file = save(spec);
  TypeOptions types;
  types.embedding_type = "F32";
  quantize(file, "q.gguf", "Q4_K_M", types);
  LoadChanges changes;
  changes.quant = "Q4_K_M";
  changes.n_thread = 2;
  const Model model = build_changed_model(open_tensor_file(file), {}, changes);
  EXPECT_TRUE(same_bits(logits_of(model), logits_of(at("q.gguf"))));
  // The CPU gives the bytes made at load back once they are packed, and goes on.
  CpuOptions options{.n_thread = 2};
  options.drop = [weights = model.weights](std::span<const std::byte> bytes) {
    weights->drop(bytes);
  };
  const auto cpu = make_cpu_executor(model.plan, options);
  const Slot slot = cpu->new_slot();
  std::vector<float> logits(spec.n_vocab);
  const int32_t token = 5;
  const uint32_t row = 0;
  const Segment segment{slot, 1};
  cpu->run({{&token, 1}, {&segment, 1}, {&row, 1}}, logits);
  for (const float x : logits) EXPECT_TRUE(std::isfinite(x));
}

TEST_F(Quantize, threads_do_not_change_the_bytes) {
  RandomModel spec;
  spec.n_embd = 256, spec.n_ffn = 512, spec.head_size = 64, spec.n_vocab = 3000;
  const std::string file = save(spec);
  ConvertOptions options;
  options.types.type = "Q4_K_M";
  for (const size_t n : {1, 5}) {
    options.n_thread = n;
    convert_model(file, at("t" + std::to_string(n) + ".gguf"), options);
  }
  EXPECT_TRUE(same_bits(read_vector<char>(at("t1.gguf")), read_vector<char>(at("t5.gguf"))));
}

TEST_F(Quantize, values_that_are_not_finite_are_refused_by_name) {
  RandomModel spec;
  spec.n_embd = 64, spec.head_size = 32;
  auto file = make_file(spec);
  const float bad = INFINITY;
  std::memcpy(const_cast<std::byte*>(file->find("blocks.1.ffn.key.weight")->bytes.data()) + 400,
              &bad, sizeof bad);
  std::vector<TensorSpec> specs;
  for (const Tensor& t : file->tensors()) specs.push_back({t.name, t.dtype, t.shape});
  write_safetensors(at("bad.safetensors"), specs, {},
                    [&](size_t i, const ByteSink& sink) { sink(file->tensors()[i].bytes); });
  try {
    quantize(at("bad.safetensors"), "q.gguf", "Q8_0");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(error.sentence().find("blocks.1.ffn.key.weight"), std::string::npos)
        << error.sentence();
  }
  EXPECT_FALSE(fs::exists(at("q.gguf")));
}

TEST_F(Quantize, importance_reaches_the_encoder) {
  RandomModel spec;
  spec.n_embd = 256, spec.n_ffn = 512, spec.head_size = 64;
  const std::string file = save(spec);
  // One column of one matrix counts a thousand times: its error shrinks.
  std::vector<float> sums(256, 1.0f), counts(1, 1.0f);
  sums[17] = 1000;
  Metadata meta{{"general.type", std::string("imatrix")},
                {"imatrix.datasets", std::vector<std::string>{"none"}},
                {"imatrix.chunk_count", int64_t{1}},
                {"imatrix.chunk_size", int64_t{1}}};
  const std::string stem = "blk.1.channel_mix_key.weight";
  write_gguf(at("i.gguf"), meta,
             {{stem + ".in_sum2", DType::kF32, {1, 256}}, {stem + ".counts", DType::kF32, {1, 1}}},
             [&](size_t i, const ByteSink& sink) {
               sink(std::as_bytes(std::span(i == 0 ? sums : counts)));
             });
  const auto column_error = [&](const std::string& path) {
    const auto want = open_tensor_file(file), got = open_tensor_file(path);
    const Tensor *w = want->find("blocks.1.ffn.key.weight"), *g = got->find(stem);
    std::vector<float> a(512 * 256), b(512 * 256);
    info(w->dtype).decode(w->bytes.data(), a.size(), a.data());
    info(g->dtype).decode(g->bytes.data(), b.size() / info(g->dtype).block_values, b.data());
    double sum = 0;
    for (size_t row = 0; row < 512; ++row) {
      const double d =
          static_cast<double>(a[row * 256 + 17]) - static_cast<double>(b[row * 256 + 17]);
      sum += d * d;
    }
    return sum;
  };
  ConvertOptions options;
  options.types.type = "Q4_K_S";
  convert_model(file, at("plain.gguf"), options);
  options.imatrix_path = at("i.gguf");
  const auto report = convert_model(file, at("weighted.gguf"), options);
  EXPECT_LT(column_error(at("weighted.gguf")), 0.5 * column_error(at("plain.gguf")));
  EXPECT_FALSE(report.notes.empty());  // it knows one matrix of many
}

}  // namespace
}  // namespace rwkv::test::quantize_test
