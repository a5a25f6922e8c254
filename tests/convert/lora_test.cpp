// Each kind of adapter against the merge written out by hand on the base's weights.
#include "convert/lora.h"

#include <unistd.h>

#include <random>

#include "base/error.h"
#include "convert/convert.h"
#include "formats/formats.h"
#include "support/golden.h"
#include "support/random_model.h"

namespace rwkv::test::lora_test {
namespace {

namespace fs = std::filesystem;
using Matrix2 = std::vector<float>;

struct NamedTensor {
  std::string name;
  Shape shape;
  Matrix2 values;
};

class Lora : public testing::Test {
 protected:
  Lora() : folder_(testing::TempDir() + "/lora." + std::to_string(::getpid())) {
    fs::create_directories(folder_);
    base_ = make_file({});
    std::vector<NamedTensor> all;
    for (const Tensor& t : base_->tensors())
      all.push_back({t.name, t.shape, values_of(*base_, t.name)});
    write("base.safetensors", all);
  }
  ~Lora() override { fs::remove_all(folder_); }

  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  static Matrix2 values_of(const TensorFile& file, const std::string& name) {
    const Tensor* t = file.find(name);
    Matrix2 out(t ? count_of(t->shape) : 0);
    if (t) info(t->dtype).decode(t->bytes.data(), out.size(), out.data());
    return out;
  }
  Matrix2 random(size_t n) {
    Matrix2 out(n);
    for (float& x : out) x = std::normal_distribution<float>(0, 0.1f)(random_);
    return out;
  }
  void write(const std::string& file, const std::vector<NamedTensor>& tensors) const {
    std::vector<TensorSpec> specs;
    for (const NamedTensor& t : tensors) specs.push_back({t.name, DType::kF32, t.shape});
    write_safetensors(at(file), specs, {}, [&](size_t i, const ByteSink& sink) {
      sink(std::as_bytes(std::span(tensors[i].values)));
    });
  }
  // The weight after `files` were merged by a conversion.
  Matrix2 merged(const std::string& name, std::vector<std::string> files) const {
    ConvertOptions options;
    for (std::string& file : files) file = at(file);
    options.lora = files;
    convert_model(at("base.safetensors"), at("out.pth"), options);
    return values_of(*open_tensor_file(at("out.pth")), name);
  }

  static constexpr size_t C = 48, F = 80;
  const std::string key_ = "blocks.1.ffn.key";  // [F, C]
  std::string folder_;
  std::shared_ptr<TensorFile> base_;
  std::mt19937_64 random_{5};
};

TEST_F(Lora, adds_scaled_products_and_replaces_vectors) {
  const Matrix2 a = random(4 * C), b = random(F * 4), x_k = random(C), w1 = random(C * 8);
  write("l.safetensors", {{key_ + ".lora_A", {4, C}, a},
                          {key_ + ".lora_B", {F, 4}, b},
                          {"blocks.0.ffn.x_k", {C}, x_k},
                          {"blocks.0.att.w1", {C, 8}, w1}});
  Matrix2 want = values_of(*base_, key_ + ".weight");
  for (size_t o = 0; o < F; ++o)
    for (size_t i = 0; i < C; ++i)
      for (size_t k = 0; k < 4; ++k) want[o * C + i] += 2.5f * b[o * 4 + k] * a[k * C + i];
  EXPECT_LE(max_abs_diff(merged(key_ + ".weight", {"l.safetensors:2.5"}), want), 1e-6);
  EXPECT_TRUE(same_bits(merged("blocks.0.ffn.x_k", {"l.safetensors"}), x_k));
  EXPECT_TRUE(same_bits(merged("blocks.0.att.w1", {"l.safetensors"}), w1));
  // What it does not name stays, bit for bit.
  EXPECT_TRUE(
      same_bits(merged("head.weight", {"l.safetensors"}), values_of(*base_, "head.weight")));
}

TEST_F(Lora, web_rwkv_keeps_a_transposed) {
  const Matrix2 a = random(C * 4), b = random(F * 4);
  write("w.st", {{key_ + ".lora.0", {C, 4}, a}, {key_ + ".lora.1", {F, 4}, b}});
  Matrix2 want = values_of(*base_, key_ + ".weight");
  for (size_t o = 0; o < F; ++o)
    for (size_t i = 0; i < C; ++i)
      for (size_t k = 0; k < 4; ++k) want[o * C + i] += b[o * 4 + k] * a[i * 4 + k];
  EXPECT_LE(max_abs_diff(merged(key_ + ".weight", {"w.st"}), want), 1e-6);
}

TEST_F(Lora, pissa_takes_its_initial_factors_away) {
  const Matrix2 a0 = random(4 * C), b0 = random(F * 4), a = random(4 * C), b = random(F * 4);
  write("init.safetensors", {{"model." + key_ + ".init_lora_A", {4, C}, a0},
                             {"model." + key_ + ".init_lora_B", {F, 4}, b0}});
  write("p.safetensors", {{key_ + ".lora_A", {4, C}, a}, {key_ + ".lora_B", {F, 4}, b}});
  Matrix2 want = values_of(*base_, key_ + ".weight");
  for (size_t o = 0; o < F; ++o)
    for (size_t i = 0; i < C; ++i)
      for (size_t k = 0; k < 4; ++k)
        want[o * C + i] += b[o * 4 + k] * a[k * C + i] - b0[o * 4 + k] * a0[k * C + i];
  EXPECT_LE(max_abs_diff(merged(key_ + ".weight", {"init.safetensors", "p.safetensors"}), want),
            2e-6);
}

TEST_F(Lora, disha_repeats_over_column_blocks_and_the_last_may_be_cut) {
  constexpr size_t R = 20;  // 48 = 20 + 20 + 8
  const Matrix2 m = random(R * F);
  write("d.safetensors", {{key_ + ".disha", {R, F}, m}});
  Matrix2 want = values_of(*base_, key_ + ".weight");
  for (size_t o = 0; o < F; ++o)
    for (size_t i = 0; i < C; ++i) want[o * C + i] += m[i % R * F + o];
  EXPECT_LE(max_abs_diff(merged(key_ + ".weight", {"d.safetensors"}), want), 1e-6);
}

TEST_F(Lora, bone_multiplies_blocks) {
  constexpr size_t R = 16;
  const Matrix2 m = random(C / R * R * R), w = values_of(*base_, key_ + ".weight");
  write("b.safetensors", {{key_ + ".bone", {C / R, R, R}, m}});
  Matrix2 want = w;
  for (size_t o = 0; o < F; ++o)
    for (size_t i = 0; i < C; ++i) {
      const size_t block = i / R;
      want[o * C + i] += m[(block * R + o % R) * R + i % R];
      for (size_t k = 0; k < R; ++k)
        want[o * C + i] += w[o * C + block * R + k] * m[(block * R + k) * R + i % R];
    }
  EXPECT_LE(max_abs_diff(merged(key_ + ".weight", {"b.safetensors"}), want), 2e-6);
}

TEST_F(Lora, a_whole_matrix_takes_the_place_of_what_earlier_files_added) {
  const Matrix2 whole = random(F * C);
  write("add.safetensors", {{key_ + ".lora_A", {4, C}, random(4 * C)}, {key_ + ".lora_B", {F, 4}, random(F * 4)}});
  write("whole.safetensors", {{key_ + ".weight", {F, C}, whole}});
  EXPECT_TRUE(same_bits(merged(key_ + ".weight", {"add.safetensors", "whole.safetensors"}), whole));
  EXPECT_FALSE(same_bits(merged(key_ + ".weight", {"whole.safetensors", "add.safetensors"}), whole));
}

TEST_F(Lora, leaves_out_what_the_first_layer_of_version_7_has_no_use_for) {
  const Matrix2 x_k = random(C);
  write("all.safetensors", {{"blocks.0.att.v1", {3, 96}, random(3 * 96)}, {"blocks.0.ffn.x_k", {C}, x_k}});
  EXPECT_TRUE(same_bits(merged("blocks.0.ffn.x_k", {"all.safetensors"}), x_k));
}

// llama.cpp's converter divides two matrices of a deep layer by a power of two and says so.
TEST(LoraOfGguf, adds_to_what_the_matrix_was_before_it_was_divided) {
  const std::string folder = testing::TempDir() + "/lora_divided." + std::to_string(::getpid());
  fs::create_directories(folder);
  const RandomModel spec{.version = "v6"};
  const auto base = make_file(spec);
  const std::string name = "blocks.1.att.output";
  const size_t C = spec.n_embd;
  const auto write = [&](const std::string& file, const std::vector<NamedTensor>& tensors) {
    std::vector<TensorSpec> specs;
    for (const NamedTensor& t : tensors) specs.push_back({t.name, DType::kF32, t.shape});
    write_safetensors(folder + file, specs, {},
                      [&](size_t i, const ByteSink& sink) { sink(std::as_bytes(std::span(tensors[i].values))); });
  };
  std::vector<NamedTensor> all;
  for (const Tensor& t : base->tensors()) {
    Matrix2 values(count_of(t.shape));
    info(t.dtype).decode(t.bytes.data(), values.size(), values.data());
    all.push_back({t.name, t.shape, values});
  }
  write("/base.safetensors", all);
  convert_model(folder + "/base.safetensors", folder + "/plain.gguf", {});
  const auto plain = open_tensor_file(folder + "/plain.gguf");
  Metadata meta = plain->meta();
  meta["rwkv6.rescale_every_n_layers"] = int64_t{1};
  std::vector<TensorSpec> specs;
  for (const Tensor& t : plain->tensors()) specs.push_back({t.name, t.dtype, t.shape});
  write_gguf(folder + "/divided.gguf", meta, specs, [&](size_t i, const ByteSink& sink) {
    const Tensor& t = plain->tensors()[i];
    Matrix2 values(count_of(t.shape));
    info(t.dtype).decode(t.bytes.data(), values.size(), values.data());
    if (t.name == "blk.1.time_mix_output.weight" || t.name == "blk.1.channel_mix_value.weight")
      for (float& x : values) x /= 2;
    sink(std::as_bytes(std::span(values)));
  });
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal(0, 0.1f);
  Matrix2 a(2 * C), b(C * 2), whole(C * spec.n_ffn);
  for (Matrix2* m : {&a, &b, &whole})
    for (float& x : *m) x = normal(random);
  write("/l.safetensors", {{name + ".lora_A", {2, C}, a}, {name + ".lora_B", {C, 2}, b},
                           {"blocks.1.ffn.value.weight", {C, spec.n_ffn}, whole}});
  ConvertOptions options;
  options.lora = {folder + "/l.safetensors"};
  for (const char* source : {"base.safetensors", "divided.gguf"})
    convert_model(folder + "/" + source, folder + "/of_" + source + ".pth", options);
  for (const std::string& changed : {name + ".weight", std::string("blocks.1.ffn.value.weight")}) {
    Matrix2 got[2];
    for (const size_t i : {0, 1}) {
      const auto file = open_tensor_file(folder + (i == 0 ? "/of_base.safetensors.pth" : "/of_divided.gguf.pth"));
      const Tensor* t = file->find(changed);
      ASSERT_TRUE(t) << changed;
      got[i].resize(count_of(t->shape));
      info(t->dtype).decode(t->bytes.data(), got[i].size(), got[i].data());
    }
    EXPECT_LE(max_abs_diff(got[0], got[1]), 1e-6) << changed;
  }
  fs::remove_all(folder);
}

TEST_F(Lora, refuses_what_does_not_fit_and_leaves_no_file) {
  const auto refused = [&](const std::string& file, std::vector<NamedTensor> tensors,
                           const char* about) {
    write(file, tensors);
    ConvertOptions options;
    options.lora = {at(file)};
    try {
      convert_model(at("base.safetensors"), at("no.pth"), options);
      ADD_FAILURE() << file;
    } catch (const Error& error) {
      EXPECT_NE(error.sentence().find(about), std::string::npos) << error.sentence();
      EXPECT_NE(error.sentence().find(file), std::string::npos) << error.sentence();
    }
    EXPECT_FALSE(fs::exists(at("no.pth")));
  };
  refused("half.st", {{key_ + ".lora_A", {4, C}, random(4 * C)}}, "no B");
  refused("wide.st",
          {{key_ + ".lora_A", {4, F}, random(4 * F)}, {key_ + ".lora_B", {F, 4}, random(F * 4)}},
          "does not fit");
  refused("name.st",
          {{"blocks.7.ffn.key.lora_A", {4, C}, random(4 * C)},
           {"blocks.7.ffn.key.lora_B", {F, 4}, random(F * 4)}},
          "does not have");
  refused("other.st", {{"something", {2}, random(2)}}, "fits no weight");
  refused("turned.st", {{key_ + ".weight", {C, F}, random(C * F)}}, "but the model's");
  refused("flat.st", {{key_ + ".weight", {C * F}, random(C * F)}}, "but the model's");
  refused("rank.st", {{"blocks.0.att.w1", {8, C}, random(C * 8)}}, "but the model's");
  refused("vector.st", {{"blocks.0.ffn.x_k", {C - 1}, random(C - 1)}}, "but the model's");
  write("good.st", {{"blocks.0.ffn.x_k", {C}, random(C)}});
  for (const char* scale : {":nan", ":inf"}) EXPECT_THROW(merged("blocks.0.ffn.x_k", {std::string("good.st") + scale}), Error);
}

}  // namespace
}  // namespace rwkv::test::lora_test
