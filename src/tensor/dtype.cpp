// The table of element types. To add one: a row here, a decoder in blocks/.
#include "tensor/dtype.h"

#include <array>
#include <cctype>

#include "tensor/blocks/blocks.h"

namespace rwkv {
namespace {

constexpr std::array<DTypeInfo, static_cast<size_t>(DType::kCount)> kTypes = {{
    {DType::kF32, "F32", 1, 4, 0, blocks::decode_f32, blocks::encode_f32},
    {DType::kF16, "F16", 1, 2, 1, blocks::decode_f16, blocks::encode_f16},
    {DType::kBF16, "BF16", 1, 2, 30, blocks::decode_bf16, blocks::encode_bf16},
    {DType::kF64, "F64", 1, 8, 28, blocks::decode_f64},
    {DType::kI8, "I8", 1, 1, 24, nullptr},
    {DType::kI16, "I16", 1, 2, 25, nullptr},
    {DType::kI32, "I32", 1, 4, 26, nullptr},
    {DType::kI64, "I64", 1, 8, 27, nullptr},
    {DType::kU8, "U8", 1, 1, -1, nullptr},
    {DType::kQ4_0, "Q4_0", 32, 18, 2, blocks::decode_q4_0},
    {DType::kQ4_1, "Q4_1", 32, 20, 3, blocks::decode_q4_1},
    {DType::kQ5_0, "Q5_0", 32, 22, 6, blocks::decode_q5_0},
    {DType::kQ5_1, "Q5_1", 32, 24, 7, blocks::decode_q5_1},
    {DType::kQ8_0, "Q8_0", 32, 34, 8, blocks::decode_q8_0},
    {DType::kQ2_K, "Q2_K", 256, 84, 10, blocks::decode_q2_k},
    {DType::kQ3_K, "Q3_K", 256, 110, 11, blocks::decode_q3_k},
    {DType::kQ4_K, "Q4_K", 256, 144, 12, blocks::decode_q4_k},
    {DType::kQ5_K, "Q5_K", 256, 176, 13, blocks::decode_q5_k},
    {DType::kQ6_K, "Q6_K", 256, 210, 14, blocks::decode_q6_k},
    {DType::kIQ4_NL, "IQ4_NL", 32, 18, 20, blocks::decode_iq4_nl},
    {DType::kIQ4_XS, "IQ4_XS", 256, 136, 23, blocks::decode_iq4_xs},
}};

bool same_name(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::toupper(static_cast<unsigned char>(a[i])) !=
        std::toupper(static_cast<unsigned char>(b[i])))
      return false;
  return true;
}

}  // namespace

const DTypeInfo& info(DType dtype) noexcept { return kTypes[static_cast<size_t>(dtype)]; }

const DTypeInfo* find_dtype(std::string_view name) noexcept {
  for (const DTypeInfo& type : kTypes)
    if (same_name(type.name, name)) return &type;
  return nullptr;
}

const DTypeInfo* find_dtype_by_gguf_id(uint32_t id) noexcept {
  for (const DTypeInfo& type : kTypes)
    if (type.gguf_id >= 0 && static_cast<uint32_t>(type.gguf_id) == id) return &type;
  return nullptr;
}

size_t bytes_of(DType dtype, size_t n_value) noexcept {
  const DTypeInfo& type = info(dtype);
  return n_value / type.block_values * type.block_bytes;
}

}  // namespace rwkv
