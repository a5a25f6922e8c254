// The table of element types. To add one: a row here, a decoder in blocks/.
#include "tensor/dtype.h"

#include <array>
#include <cctype>

#include "tensor/blocks/blocks.h"
#include "tensor/blocks/quants.h"

namespace rwkv {
namespace {

// A type of blocks/quants.h.
template <blocks::Unpack kUnpack, size_t kValues, size_t kBytes>
constexpr DTypeInfo product(DType dtype, std::string_view name, int gguf_id) {
  return {dtype, name, kValues, kBytes, gguf_id, blocks::decode_quants<kUnpack, kValues, kBytes>};
}

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
    {DType::kQ4_0, "Q4_0", 32, 18, 2, blocks::decode_q4_0, blocks::encode_q4_0},
    {DType::kQ4_1, "Q4_1", 32, 20, 3, blocks::decode_q4_1, blocks::encode_q4_1},
    {DType::kQ5_0, "Q5_0", 32, 22, 6, blocks::decode_q5_0, blocks::encode_q5_0},
    {DType::kQ5_1, "Q5_1", 32, 24, 7, blocks::decode_q5_1, blocks::encode_q5_1},
    {DType::kQ8_0, "Q8_0", 32, 34, 8, blocks::decode_q8_0, blocks::encode_q8_0},
    {DType::kQ2_K, "Q2_K", 256, 84, 10, blocks::decode_q2_k, blocks::encode_q2_k},
    {DType::kQ3_K, "Q3_K", 256, 110, 11, blocks::decode_q3_k, blocks::encode_q3_k},
    {DType::kQ4_K, "Q4_K", 256, 144, 12, blocks::decode_q4_k, blocks::encode_q4_k},
    {DType::kQ5_K, "Q5_K", 256, 176, 13, blocks::decode_q5_k, blocks::encode_q5_k},
    {DType::kQ6_K, "Q6_K", 256, 210, 14, blocks::decode_q6_k, blocks::encode_q6_k},
    {DType::kIQ4_NL, "IQ4_NL", 32, 18, 20, blocks::decode_iq4_nl, blocks::encode_iq4_nl},
    {DType::kIQ4_XS, "IQ4_XS", 256, 136, 23, blocks::decode_iq4_xs, blocks::encode_iq4_xs},
    product<blocks::unpack_iq1_s, 256, 50>(DType::kIQ1_S, "IQ1_S", 19),
    product<blocks::unpack_iq1_m, 256, 56>(DType::kIQ1_M, "IQ1_M", 29),
    product<blocks::unpack_iq2_xxs, 256, 66>(DType::kIQ2_XXS, "IQ2_XXS", 16),
    product<blocks::unpack_iq2_xs, 256, 74>(DType::kIQ2_XS, "IQ2_XS", 17),
    product<blocks::unpack_iq2_s, 256, 82>(DType::kIQ2_S, "IQ2_S", 22),
    product<blocks::unpack_iq3_xxs, 256, 98>(DType::kIQ3_XXS, "IQ3_XXS", 18),
    product<blocks::unpack_iq3_s, 256, 110>(DType::kIQ3_S, "IQ3_S", 21),
    product<blocks::unpack_tq1_0, 256, 54>(DType::kTQ1_0, "TQ1_0", 34),
    product<blocks::unpack_tq2_0, 256, 66>(DType::kTQ2_0, "TQ2_0", 35),
    product<blocks::unpack_q1_0, 128, 18>(DType::kQ1_0, "Q1_0", 41),
    product<blocks::unpack_q2_0, 64, 18>(DType::kQ2_0, "Q2_0", 42),
    product<blocks::unpack_mxfp4, 32, 17>(DType::kMXFP4, "MXFP4", 39),
    product<blocks::unpack_nvfp4, 64, 36>(DType::kNVFP4, "NVFP4", 40),
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
