// What the writers write, the readers read.
#include "formats/writers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/crc32.h"
#include "base/error.h"
#include "formats/formats.h"
#include "support/golden.h"

namespace rwkv::test::writers_test {
namespace {

struct Sample {
  std::vector<TensorSpec> specs;
  std::vector<std::vector<std::byte>> bytes;

  void add(const std::string& name, DType dtype, Shape shape) {
    specs.push_back({name, dtype, std::move(shape)});
    bytes.emplace_back(specs.back().bytes());
    for (size_t i = 0; i < bytes.back().size(); ++i)
      bytes.back()[i] = static_cast<std::byte>((i * 31 + specs.size() * 7) & 0x3f);
  }
  TensorSource source() const {
    return [this](size_t i, const ByteSink& sink) {  // in two pieces
      const std::span<const std::byte> all(bytes[i]);
      sink(all.first(all.size() / 3));
      sink(all.subspan(all.size() / 3));
    };
  }
  void expect_in(const TensorFile& file) const {
    ASSERT_EQ(file.tensors().size(), specs.size());
    for (size_t i = 0; i < specs.size(); ++i) {
      const Tensor* t = file.find(specs[i].name);
      ASSERT_TRUE(t) << specs[i].name;
      EXPECT_EQ(t->dtype, specs[i].dtype);
      EXPECT_EQ(t->shape, specs[i].shape);
      EXPECT_TRUE(same_bits(t->bytes, bytes[i])) << specs[i].name;
    }
  }
};

Sample floats() {
  Sample s;
  s.add("emb.weight", DType::kF32, {5, 3});
  s.add("b", DType::kF16, {7});
  s.add("\xc3\xa9.weight", DType::kBF16, {1, 1, 9});
  return s;
}

std::string temporary(const std::string& name) {
  return testing::TempDir() + "/writers." + std::to_string(::getpid()) + "." + name;
}

TEST(Writers, pth_reads_back) {
  Sample s = floats();
  s.add("d", DType::kF64, {2});
  const std::string path = temporary("a.pth");
  write_pth(path, s.specs, s.source());
  s.expect_in(*open_tensor_file(path));
  std::filesystem::remove(path);
}

TEST(Writers, safetensors_read_back) {
  const Sample s = floats();
  const std::string path = temporary("a.safetensors");
  write_safetensors(path, s.specs, {{"format", "pt"}}, s.source());
  s.expect_in(*open_tensor_file(path));
  std::filesystem::remove(path);
}

TEST(Writers, gguf_reads_back_with_all_kinds_of_metadata) {
  Sample s = floats();
  s.add("q", DType::kQ4_K, {3, 512});
  s.add("r", DType::kQ8_0, {2, 3, 32});
  Metadata meta;
  meta["general.architecture"] = std::string("rwkv7");
  meta["a.bool"] = true;
  meta["a.u32"] = int64_t{4000000000};
  meta["a.i32"] = int64_t{-5};
  meta["a.i64"] = int64_t{-5000000000};
  meta["a.u64"] = uint64_t{1} << 63;
  meta["a.f32"] = static_cast<double>(1e-5f);
  meta["a.f64"] = 0.1;
  meta["a.texts"] = std::vector<std::string>{"x", "", "\n"};
  meta["a.numbers"] = std::vector<int64_t>{1, -2, 3};
  meta["a.reals"] = std::vector<double>{0.5, -2};
  const std::string path = temporary("a.gguf");
  write_gguf(path, meta, s.specs, s.source());
  const auto file = open_tensor_file(path);
  s.expect_in(*file);
  EXPECT_EQ(file->meta(), meta);
  EXPECT_LE(gguf_header_bytes(meta, s.specs), std::filesystem::file_size(path));
  std::filesystem::remove(path);
}

TEST(Writers, ggmf_reads_back_and_refuses_what_rwkv_cpp_does_not_know) {
  Sample s;
  s.add("emb.weight", DType::kF16, {4, 32});
  s.add("v", DType::kF32, {32});
  s.add("m", DType::kQ5_1, {4, 64});
  const std::string path = temporary("a.bin");
  write_ggmf(path, {4, 32, 1, DType::kQ5_1}, s.specs, s.source());
  s.expect_in(*open_tensor_file(path));
  std::filesystem::remove(path);
  s.add("b", DType::kBF16, {4});
  EXPECT_THROW(write_ggmf(path, {4, 32, 1, DType::kF16}, s.specs, s.source()), Error);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Writers, block_types_are_refused_where_only_floats_fit) {
  Sample s;
  s.add("q", DType::kQ8_0, {32});
  const std::string path = temporary("b");
  EXPECT_THROW(write_pth(path, s.specs, s.source()), Error);
  EXPECT_THROW(write_safetensors(path, s.specs, {}, s.source()), Error);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Crc32, equals_the_check_value_of_the_standard) {
  Crc32 crc;
  const std::string_view text = "123456789";
  crc.add(std::as_bytes(std::span(text.data(), text.size())));
  EXPECT_EQ(crc.value(), 0xcbf43926u);
  Crc32 pieces;  // cut anywhere
  for (size_t at : {0, 4}) {
    const auto part = text.substr(at, at ? 5 : 4);
    pieces.add(std::as_bytes(std::span(part.data(), part.size())));
  }
  EXPECT_EQ(pieces.value(), crc.value());
}

}  // namespace
}  // namespace rwkv::test::writers_test
