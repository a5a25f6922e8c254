// Decoding is bit-exact: vectors made by ggml itself, and our own.
#include <bit>
#include <random>

#include "base/error.h"
#include "support/golden.h"
#include "tensor/dtype.h"

namespace rwkv::test::blocks_test {
namespace {

constexpr DType kTypes[] = {DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                            DType::kQ8_0, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K,
                            DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kIQ1_S, DType::kIQ1_M,
                            DType::kIQ2_XXS, DType::kIQ2_XS, DType::kIQ2_S, DType::kIQ3_XXS, DType::kIQ3_S,
                            DType::kTQ1_0, DType::kTQ2_0, DType::kQ1_0, DType::kQ2_0, DType::kMXFP4,
                            DType::kNVFP4};

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

TEST(blocks, decode_our_own_vectors) {
  for (const DType dtype : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ2_K,
                            DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K})
    check(data("blocks/" + std::string(name(dtype))), dtype);
}

// Random bits, so codebooks, signs and scales are all met; the digests are of values that equal ggml's by the
// test above.
struct Digest {
  DType dtype;
  uint64_t value;
};
constexpr Digest kDigests[] = {
    {DType::kIQ1_S, 0xbd4a6c62ff474545},
    {DType::kIQ1_M, 0xc4ac21ffef5fd0e5},
    {DType::kIQ2_XXS, 0x25688c3294cd7c79},
    {DType::kIQ2_XS, 0x45d00d8667533cb5},
    {DType::kIQ2_S, 0x34804356eb81fb19},
    {DType::kIQ3_XXS, 0xd37da064eebd951d},
    {DType::kIQ3_S, 0x1c0d3eaadec83685},
    {DType::kTQ1_0, 0xb916feab0e827725},
    {DType::kTQ2_0, 0x78c9bba4f35dff25},
    {DType::kQ1_0, 0x77a423a089064125},
    {DType::kQ2_0, 0x366cdc27b12f3225},
    {DType::kMXFP4, 0x94f62d37ccc57415},
    {DType::kNVFP4, 0xc94e71a5f40cab25},
    {DType::kIQ4_NL, 0xf18f57e7d6b04c65},
    {DType::kIQ4_XS, 0xc051617e5b078751},
};

TEST(blocks, decode_random_bits_to_known_digests) {
  for (const Digest& digest : kDigests) {
    const DTypeInfo& type = info(digest.dtype);
    constexpr size_t kBlocks = 1000;
    std::mt19937_64 random(7);
    std::vector<std::byte> bytes(kBlocks * type.block_bytes);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    std::vector<float> values(kBlocks * type.block_values);
    type.decode(bytes.data(), kBlocks, values.data());
    uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a of the finite values' bits
    for (const float value : values)
      if (std::isfinite(value)) hash = (hash ^ std::bit_cast<uint32_t>(value)) * 0x100000001b3u;
    EXPECT_EQ(hash, digest.value) << type.name << strf(": {}", hash);
  }
}

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
}  // namespace rwkv::test::blocks_test
