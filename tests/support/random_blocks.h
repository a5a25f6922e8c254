// Matrices of every block type, of random bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tensor/dtype.h"

namespace rwkv::test {

inline constexpr DType kBlockTypes[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0,
                                 DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K,
                                 DType::kIQ4_NL, DType::kIQ4_XS, DType::kIQ1_S, DType::kIQ1_M, DType::kIQ2_XXS,
                                 DType::kIQ2_XS, DType::kIQ2_S, DType::kIQ3_XXS, DType::kIQ3_S, DType::kTQ1_0,
                                 DType::kTQ2_0, DType::kQ1_0, DType::kQ2_0, DType::kMXFP4, DType::kNVFP4};

// Blocks of random bits whose values are finite.
inline std::vector<std::byte> random_blocks(DType dtype) {
  const DTypeInfo& type = info(dtype);
  std::mt19937_64 random(static_cast<uint64_t>(dtype));
  std::vector<std::byte> out, block(type.block_bytes);
  std::vector<float> values(type.block_values);
  while (out.size() < 24 * type.block_bytes) {
    for (std::byte& b : block) b = static_cast<std::byte>(random());
    type.decode(block.data(), 1, values.data());
    // Not infinite, and not so small that a kernel which flushes subnormals to zero sees another scale.
    const auto usable = [](float v) { return std::abs(v) < 1e30f && (v == 0 || std::abs(v) > 1e-30f); };
    if (std::all_of(values.begin(), values.end(), usable)) out.insert(out.end(), block.begin(), block.end());
  }
  return out;
}

// `n` values of whole blocks out of random_blocks.
inline std::vector<std::byte> random_matrix(DType type, size_t n) {
  const std::vector<std::byte> blocks = random_blocks(type);
  const size_t block_bytes = info(type).block_bytes;
  std::mt19937_64 random(n);
  std::vector<std::byte> out;
  while (out.size() < bytes_of(type, n)) {
    const auto at = static_cast<ptrdiff_t>(random() % (blocks.size() / block_bytes) * block_bytes);
    out.insert(out.end(), blocks.begin() + at, blocks.begin() + at + static_cast<ptrdiff_t>(block_bytes));
  }
  return out;
}

}  // namespace rwkv::test
