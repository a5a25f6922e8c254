#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/formats.h"
#include "mutation.h"
#include "pth_builder.h"

namespace rwkv::safetensors_test {
namespace {

std::string file_of(const std::string& header, size_t n_data) {
  return test::le(uint64_t{header.size()}) + header + std::string(n_data, 'd');
}
std::unique_ptr<TensorFile> read(const std::string& file) {
  return read_safetensors("a.safetensors",
                          MappedFile::from_bytes("a.safetensors", test::to_bytes(file)));
}
std::string refusal(const std::string& file) {
  return test::sentence_of<Error>([&] { read(file); });
}
#define EXPECT_REFUSED(file, words) \
  EXPECT_NE(refusal(file).find(words), std::string::npos) << refusal(file)

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return '"' + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + "}";
}
const std::string kGood = R"({"__metadata__":{"format":"pt"},)" +
                          entry("b", "BF16", "[2]", "[24,28]") + "," +
                          entry("a", "F32", "[2,3]", "[0,24]") + "}   ";

TEST(safetensors, reads_in_the_order_of_the_bytes) {
  const auto file = read(file_of(kGood, 28));
  EXPECT_EQ(file->format(), "safetensors");
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "a");
  EXPECT_EQ(file->tensors()[0].shape, (Shape{2, 3}));
  EXPECT_EQ(file->tensors()[1].dtype, DType::kBF16);
  ASSERT_TRUE(file->meta_string("safetensors.format"));
  EXPECT_EQ(*file->meta_string("safetensors.format"), "pt");
  EXPECT_EQ(file->tensors()[0].bytes.data(), file->maps()[0]->bytes().data() + 8 + kGood.size());
}

TEST(safetensors, every_type) {
  const std::pair<const char*, DType> types[] = {
      {"F64", DType::kF64}, {"F32", DType::kF32}, {"F16", DType::kF16}, {"BF16", DType::kBF16},
      {"I64", DType::kI64}, {"I32", DType::kI32}, {"I16", DType::kI16}, {"I8", DType::kI8},
      {"U8", DType::kU8},   {"BOOL", DType::kU8}};
  for (const auto& [name, dtype] : types) {
    const size_t bytes = 3 * info(dtype).block_bytes;
    const auto file = read(
        file_of("{" + entry("w", name, "[3]", "[0," + std::to_string(bytes) + "]") + "}", bytes));
    EXPECT_EQ(file->tensors()[0].dtype, dtype) << name;
  }
  for (const char* name : {"F8_E4M3", "U64", "C64", "f32", ""})
    EXPECT_REFUSED(file_of("{" + entry("w", name, "[3]", "[0,12]") + "}", 12),
                   "element type \"" + std::string(name) + "\" is not read");
}

TEST(safetensors, edges) {
  EXPECT_EQ(read(file_of("{}", 0))->tensors().size(), 0u);
  const auto file = read(file_of("{" + entry("none", "F32", "[0,4]", "[0,0]") + "," +
                                     entry("one", "F32", "[]", "[0,4]") + "," +
                                     entry("last", "F32", "[0]", "[4,4]") + "}",
                                 4));
  EXPECT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->find("one")->bytes.size(), 4u);
}

TEST(safetensors, row_84_header_length) {
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{1}, uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}})
    EXPECT_REFUSED(test::le(size) + kGood + std::string(28, 'd'), "expected 2 to 100000000");
  EXPECT_REFUSED(test::le(uint64_t{1000}) + kGood, "found the file's end");
  EXPECT_REFUSED("abc", "the header's length");
  const std::string good = file_of(kGood, 28);
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_NE(refusal(good.substr(0, size)), "") << size;
}

TEST(safetensors, row_85_header) {
  EXPECT_REFUSED(file_of("[1]", 0), "expected '{'");
  EXPECT_REFUSED(file_of(" {}", 0), "expected '{'");
  EXPECT_REFUSED(file_of("{]", 0), "JSON");
  EXPECT_REFUSED(file_of("{}x", 0), "JSON");
  EXPECT_REFUSED(file_of("{" + entry("a", "F32", "[1]", "[0,4]") + "," +
                             entry("a", "F32", "[1]", "[4,8]") + "}",
                         8),
                 "twice");
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += R"({"a":)";
  EXPECT_REFUSED(file_of(deep, 0), "less nesting");
  EXPECT_REFUSED(file_of("{\"a\":" + std::string(10'000, '['), 0), "less nesting");
  EXPECT_REFUSED(file_of("{\"a\":3}", 0), "tensor a: expected {\"dtype\"");
  EXPECT_REFUSED(file_of("{\"a\":{}}", 0), "tensor a: expected {\"dtype\"");
  EXPECT_REFUSED(file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4),
                 "expected {");
  EXPECT_REFUSED(file_of(R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,4]}})", 4), "expected {");
  EXPECT_REFUSED(file_of(R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4),
                 "expected {");
  EXPECT_REFUSED(file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4),
                 "expected {");
  EXPECT_REFUSED(file_of(R"({"__metadata__":{"a":1}})", 0), "expected a string");
  EXPECT_REFUSED(file_of(R"({"__metadata__":"a"})", 0), "expected an object");
  EXPECT_REFUSED(file_of("{" + entry("", "F32", "[1]", "[0,4]") + "}", 4), "proper name");
  for (const char* shape :
       {"[-1]", "[1.0]", "[1e0]", "[\"1\"]", "[null]", "[18446744073709551616]"})
    EXPECT_REFUSED(file_of("{" + entry("a", "F32", shape, "[0,4]") + "}", 4), "whole numbers");
}

TEST(safetensors, row_85_offsets) {
  const auto two = [](const std::string& a, const std::string& b) {
    return file_of("{" + entry("a", "F32", "[1]", a) + "," + entry("b", "F32", "[1]", b) + "}", 8);
  };
  EXPECT_EQ(refusal(two("[4,8]", "[0,4]")), "");
  EXPECT_REFUSED(two("[4,0]", "[4,8]"), "run backwards");
  EXPECT_REFUSED(two("[0,4]", "[0,4]"), "overlap");
  EXPECT_REFUSED(two("[0,4]", "[2,6]"), "overlap");
  EXPECT_REFUSED(two("[0,4]", "[5,9]"), "a hole");
  EXPECT_REFUSED(two("[2,6]", "[6,10]"), "a hole");
  EXPECT_REFUSED(two("[0,4]", "[4,12]"), "the file has 8");
  EXPECT_REFUSED(two("[0,4]", "[4,18446744073709551615]"), "the file has 8");
  EXPECT_REFUSED(two("[0,3]", "[3,7]"), "takes 4 bytes, found 3");
  EXPECT_REFUSED(file_of("{" + entry("a", "F32", "[1]", "[0,4]") + "}", 5),
                 "1 bytes after the last tensor");
  EXPECT_REFUSED(file_of("{" + entry("a", "F32", "[4294967296,4294967296,4]", "[0,4]") + "}", 4),
                 "overflow");
  EXPECT_REFUSED(file_of("{" + entry("a", "F32", "[4611686018427387905]", "[0,4]") + "}", 4),
                 "takes");
}

TEST(safetensors, mutations_end_in_an_error_or_success) {
  const auto good = test::to_bytes(file_of(kGood, 28));
  size_t n_refused = 0;
  for (uint64_t seed = 0; seed < 10000; ++seed) {
    const auto sentence = test::sentence_of<Error>([&] {
      const auto file =
          read_safetensors("a", MappedFile::from_bytes("a", test::mutate(good, seed)));
      for (const Tensor& tensor : file->tensors())
        EXPECT_EQ(test::Bytes(tensor.bytes.begin(), tensor.bytes.end()).size(),
                  tensor.bytes.size());
    });
    n_refused += !sentence.empty();
  }
  EXPECT_GT(n_refused, 5000u);
  EXPECT_LT(n_refused, 10000u);
}

}  // namespace
}  // namespace rwkv::safetensors_test
