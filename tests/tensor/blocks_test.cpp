// Decoding is bit-exact: vectors made by ggml itself, and our own.
#include "support/golden.h"
#include "tensor/dtype.h"

namespace rwkv::test {
namespace {

constexpr DType kTypes[] = {DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                            DType::kQ8_0, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K,
                            DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS};

class Blocks : public testing::TestWithParam<DType> {};

void check(const std::string& stem, DType dtype) {
  SKIP_WITHOUT(stem + ".blocks");
  const auto blocks = read_vector<std::byte>(stem + ".blocks");
  const auto want = read_vector<float>(stem + ".f32");
  const DTypeInfo& type = info(dtype);
  ASSERT_EQ(blocks.size() / type.block_bytes * type.block_values, want.size());
  std::vector<float> got(want.size(), NAN);
  type.decode(blocks.data(), blocks.size() / type.block_bytes, got.data());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(std::memcmp(&got[i], &want[i], 4), 0)
        << type.name << " value " << i << ": " << got[i] << ", expected " << want[i];
}

TEST_P(Blocks, decode_as_ggml_does) { check(golden("blocks/" + std::string(name(GetParam()))), GetParam()); }
TEST_P(Blocks, decode_our_own_vectors) { check(data("blocks/" + std::string(name(GetParam()))), GetParam()); }

INSTANTIATE_TEST_SUITE_P(types, Blocks, testing::ValuesIn(kTypes),
                         [](const auto& p) { return std::string(name(p.param)); });

TEST(dtype, is_found_by_name_and_number) {
  EXPECT_EQ(find_dtype("q4_k")->dtype, DType::kQ4_K);
  EXPECT_EQ(find_dtype("BF16")->dtype, DType::kBF16);
  EXPECT_EQ(find_dtype("Q4_2"), nullptr);
  EXPECT_EQ(find_dtype_by_gguf_id(14)->dtype, DType::kQ6_K);
  EXPECT_EQ(find_dtype_by_gguf_id(4), nullptr);
  for (size_t i = 0; i < static_cast<size_t>(DType::kCount); ++i)
    EXPECT_EQ(info(static_cast<DType>(i)).dtype, static_cast<DType>(i)) << "row " << i << " of the table";
}

}  // namespace
}  // namespace rwkv::test
