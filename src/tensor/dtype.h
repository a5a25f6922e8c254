// Element types of tensors. The names are those of GGUF; one row of the table in dtype.cpp describes each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rwkv {

enum class DType : uint8_t {
  kF32, kF16, kBF16, kF64,
  kI8, kI16, kI32, kI64, kU8,
  kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0,
  kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K,
  kIQ4_NL, kIQ4_XS,
  kIQ1_S, kIQ1_M, kIQ2_XXS, kIQ2_XS, kIQ2_S, kIQ3_XXS, kIQ3_S,
  kTQ1_0, kTQ2_0, kQ1_0, kQ2_0, kMXFP4, kNVFP4,
  kCount,
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;   // as written in GGUF: "F16", "Q4_K"
  size_t block_values;     // values in one block (1 for plain types)
  size_t block_bytes;      // bytes of one block
  int gguf_id;             // ggml's type number, -1 if it has none
  // Decodes n_block blocks from `in` to `out` [n_block * block_values]; null for integer types, which
  // are never weights. Arithmetic is ggml's, in f32, so the values are bit-exact; F64 rounds to f32.
  void (*decode)(const std::byte* in, size_t n_block, float* out) noexcept;
  // The other way, choosing for each block the scales that lose least. `importance` [n_block * block_values],
  // >= 0, says how much an error of each value counts (squared); null: all the same. Values are finite. Null for
  // types that are not written here.
  void (*encode)(const float* in, size_t n_block, const float* importance, std::byte* out) noexcept = nullptr;
};

const DTypeInfo& info(DType dtype) noexcept;
inline std::string_view name(DType dtype) noexcept { return info(dtype).name; }
inline bool is_weight_type(DType dtype) noexcept { return info(dtype).decode != nullptr; }

// By GGUF name ("q8_0" and "Q8_0" both do) or ggml number; null when unknown.
const DTypeInfo* find_dtype(std::string_view name) noexcept;
const DTypeInfo* find_dtype_by_gguf_id(uint32_t id) noexcept;

// Bytes of n_value values that form whole rows; n_value must be a multiple of block_values.
size_t bytes_of(DType dtype, size_t n_value) noexcept;

}  // namespace rwkv
