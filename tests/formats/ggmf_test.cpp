#include <limits>

#include "base/error.h"
#include "formats/formats.h"
#include "model_mutation.h"
#include "support/golden.h"

namespace rwkv::test::ggmf_test {
namespace {

template <typename T>
std::string le(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string header(uint32_t n_vocab = 4, uint32_t n_embed = 2, uint32_t n_layer = 1,
                   uint32_t type = 0, uint32_t version = 101, uint32_t magic = 0x67676d66) {
  return le(magic) + le(version) + le(n_vocab) + le(n_embed) + le(n_layer) + le(type);
}
// Sizes are innermost first, as in the file.
std::string tensor(const std::string& name, const std::vector<uint32_t>& sizes, uint32_t type,
                   const std::string& bytes) {
  std::string out =
      le(static_cast<uint32_t>(sizes.size())) + le(static_cast<uint32_t>(name.size())) + le(type);
  for (const uint32_t size : sizes) out += le(size);
  return out + name + bytes;
}
const std::string kEmb = tensor("emb.weight", {2, 4}, 0, std::string(32, 'e'));

Bytes to_bytes(const std::string& text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}
std::unique_ptr<TensorFile> read(const std::string& bytes) {
  return read_ggmf("m.bin", MappedFile::from_bytes("m.bin", to_bytes(bytes)));
}
template <typename F>
std::string sentence_of(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.sentence();
  }
  return "no error";
}
std::string refusal(const std::string& bytes) {
  return sentence_of([&] { read(bytes); });
}
#define EXPECT_REFUSED(bytes, words)                          \
  do {                                                        \
    const std::string found = refusal(bytes);                 \
    EXPECT_EQ(found.rfind("m.bin: ", 0), 0u) << found;        \
    EXPECT_NE(found.find(words), std::string::npos) << found; \
  } while (false)

TEST(ggmf, reads_header_and_tensors) {
  const auto file = read(header() + kEmb + tensor("q", {32, 3}, 9, std::string(102, 'q')) +
                         tensor("stack", {1, 2, 3}, 1, std::string(12, 's')));
  EXPECT_EQ(file->format(), "ggmf");
  int64_t store = 0;
  EXPECT_EQ(*file->meta_int("ggmf.n_vocab", store), 4);
  EXPECT_EQ(*file->meta_int("ggmf.n_embed", store), 2);
  EXPECT_EQ(*file->meta_int("ggmf.n_layer", store), 1);
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->tensors()[0].shape, (Shape{4, 2}));
  EXPECT_EQ(file->tensors()[1].dtype, DType::kQ8_0);
  EXPECT_EQ(file->tensors()[1].bytes[101], static_cast<std::byte>('q'));
  EXPECT_EQ(file->tensors()[2].shape, (Shape{3, 2, 1}));
}

TEST(ggmf, every_type) {
  const std::pair<uint32_t, DType> types[] = {
      {0, DType::kF32},   {1, DType::kF16},   {2, DType::kQ4_0},  {3, DType::kQ4_1},
      {7, DType::kQ5_0},  {8, DType::kQ5_1},  {9, DType::kQ8_0},  {11, DType::kQ2_K},
      {12, DType::kQ3_K}, {13, DType::kQ4_K}, {14, DType::kQ5_K}, {15, DType::kQ6_K}};
  for (const auto& [id, dtype] : types) {
    const std::string bytes(bytes_of(dtype, 256), 'x');
    const auto file = read(header(4, 2, 1, id) + tensor("w", {256}, id, bytes));
    EXPECT_EQ(file->tensors()[0].dtype, dtype) << id;
    EXPECT_REFUSED(header() + tensor("w", {256}, id, bytes.substr(1)), "the data of w");
  }
}

TEST(ggmf, cut_anywhere) {
  const std::string bytes = header() + kEmb + tensor("q", {32}, 9, std::string(34, 'q'));
  const size_t first = header().size(), second = first + kEmb.size();
  for (size_t n = 0; n < bytes.size(); ++n)
    if (n != first && n != second) EXPECT_REFUSED(bytes.substr(0, n), "");
  for (size_t n = 1; n <= 5; ++n) EXPECT_REFUSED(bytes + std::string(n, '\1'), "");
  EXPECT_REFUSED(bytes + std::string(12, '\0'), "a tensor of 0 dimensions");
}

TEST(ggmf, headers_that_lie) {
  EXPECT_REFUSED(header(4, 2, 1, 0, 101, 0x67676d6c) + kEmb, "expected rwkv.cpp's magic");
  for (const uint32_t version : {0u, 1u, 99u, 102u, 0x65000000u, UINT32_MAX})
    EXPECT_REFUSED(header(4, 2, 1, 0, version) + kEmb, "file version " + std::to_string(version));
  for (const uint32_t bad : {0u, 1u << 31, UINT32_MAX}) {
    EXPECT_REFUSED(header(bad) + kEmb, "ggmf.n_vocab is " + std::to_string(bad));
    EXPECT_REFUSED(header(4, bad) + kEmb, "ggmf.n_embed is " + std::to_string(bad));
    EXPECT_REFUSED(header(4, 2, bad) + kEmb, "ggmf.n_layer is " + std::to_string(bad));
  }
}

TEST(ggmf, types_that_are_not_read) {
  for (const uint32_t old : {4u, 5u, 6u}) {
    EXPECT_REFUSED(header(4, 2, 1, old) + kEmb, "convert the original checkpoint again");
    EXPECT_REFUSED(header() + tensor("w", {32}, old, std::string(36, 'x')),
                   "tensor w: type " + std::to_string(old) + " (Q4_1_O, Q4_2 or Q4_3) was removed");
  }
  for (const uint32_t bad : {10u, 16u, 17u, 1000u, UINT32_MAX}) {
    EXPECT_REFUSED(header(4, 2, 1, bad) + kEmb, "header: type " + std::to_string(bad));
    EXPECT_REFUSED(header() + tensor("w", {32}, bad, std::string(36, 'x')),
                   "tensor w: type " + std::to_string(bad));
  }
  // The layouts of version 100's blocks are read by nothing; its plain types are today's.
  EXPECT_REFUSED(header(4, 2, 1, 2, 100) + kEmb, "quantized with version 100");
  EXPECT_REFUSED(header(4, 2, 1, 0, 100) + tensor("w", {32}, 2, std::string(18, 'x')),
                 "tensor w: quantized");
  EXPECT_EQ(read(header(4, 2, 1, 0, 100) + kEmb)->tensors().size(), 1u);
}

TEST(ggmf, tensors_that_lie) {
  const uint32_t minus_one = std::numeric_limits<uint32_t>::max();
  const auto start = [&](uint32_t n_dim, uint32_t name_bytes) {
    return header() + le(n_dim) + le(name_bytes) + le(0) + std::string(64, 'x');
  };
  for (const uint32_t n_dim : {0u, 4u, minus_one})
    EXPECT_REFUSED(start(n_dim, 1), "a tensor of " + std::to_string(n_dim) + " dimensions");
  for (const uint32_t name_bytes : {0u, 257u, minus_one})
    EXPECT_REFUSED(start(1, name_bytes), "a name of " + std::to_string(name_bytes) + " bytes");
  EXPECT_REFUSED(header() + tensor("w", {minus_one}, 0, "abcd"),
                 "the data of w (17179869180 bytes)");
  EXPECT_REFUSED(header() + tensor("w", {minus_one, minus_one, minus_one}, 0, "abcd"),
                 "tensor w: the sizes");
  EXPECT_REFUSED(header() + tensor("w", {minus_one, minus_one}, 0, "abcd"), "tensor w: F32");
  EXPECT_REFUSED(header() + tensor("w", {0}, 0, ""), "tensor w: the sizes [0] are empty");
  EXPECT_REFUSED(header() + tensor("w", {1, 0}, 0, ""), "tensor w: the sizes [0, 1] are empty");
  EXPECT_REFUSED(header() + tensor("w", {48}, 9, std::string(51, 'x')), "tensor w: Q8_0 [48]");
  EXPECT_REFUSED(header() + tensor("w\xff", {1}, 0, "abcd"), "a tensor name in UTF-8");
  EXPECT_REFUSED(header() + kEmb + kEmb, "tensor emb.weight stands in the file twice");
}

std::string whole(const char* name) {
  const auto bytes = read_vector<char>(data(name));
  return {bytes.begin(), bytes.end()};
}

TEST(ggmf, header_against_tensors) {
  const std::string good = whole("v7.bin");
  const auto refusal_with = [&](size_t word, uint32_t change) {
    std::string bytes = good;
    uint32_t value = 0;
    std::memcpy(&value, &bytes[4 * word], 4);
    value += change;
    std::memcpy(&bytes[4 * word], &value, 4);
    return sentence_of([&] { build_model(read(bytes), {}); });
  };
  EXPECT_EQ(refusal_with(2, 0), "no error");
  const char* const keys[] = {"ggmf.n_vocab", "ggmf.n_embed", "ggmf.n_layer"};
  for (size_t i = 0; i < 3; ++i)
    for (const uint32_t change : {1u, UINT32_MAX}) {
      const std::string found = refusal_with(2 + i, change);
      EXPECT_NE(found.find(keys[i]), std::string::npos) << found;
    }
}

TEST(ggmf, survives_mutation) {
  for (const char* name : {"v4.bin", "v7.bin"})
    expect_survives_mutation(to_bytes(whole(name)), 4000, [](Bytes bytes) {
      return std::shared_ptr<TensorFile>(
          read_ggmf("m.bin", MappedFile::from_bytes("m.bin", std::move(bytes))));
    });
}

}  // namespace
}  // namespace rwkv::test::ggmf_test
