// What the reader and the writer of GGUF agree on (docs/gguf.md of ggml).
#pragma once

#include <cstddef>
#include <cstdint>

namespace rwkv::gguf {

inline constexpr size_t kMaxName = 63;  // ggml's own limit is 64 with the terminator
inline constexpr size_t kMaxDims = 4;

enum ValueType : uint32_t {
  kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64, kValueTypes
};

}  // namespace rwkv::gguf
