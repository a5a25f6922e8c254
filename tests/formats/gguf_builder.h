// A writer of small GGUF files, honest unless told to lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/tensor_file.h"

namespace rwkv::test {

class GgufBuilder {
 public:
  // GGUF's numbers of value types.
  enum Type : uint32_t {
    kU8,
    kI8,
    kU16,
    kI16,
    kU32,
    kI32,
    kF32,
    kBool,
    kString,
    kArray,
    kU64,
    kI64,
    kF64
  };
  struct Entry {
    std::string name;
    std::vector<uint64_t> ne;  // innermost first
    uint32_t type = 0;
    uint64_t offset = 0;
    std::string bytes;
  };
  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t alignment = 32;                  // of what is written; the key is not added
  int64_t more_tensors = 0, more_keys = 0;  // lies of the counts
  std::vector<Entry> tensors;
  std::vector<std::pair<std::string, std::string>> keys;  // key -> type and value, encoded

  template <typename T>
  static std::string le(T value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static std::string text(std::string_view value) {
    return le(static_cast<uint64_t>(value.size())) + std::string(value);
  }
  static std::string array(uint32_t type, uint64_t count, const std::string& elements) {
    return le(uint32_t{kArray}) + le(type) + le(count) + elements;
  }

  GgufBuilder& key(const std::string& name, const std::string& encoded) {
    for (auto& [known, value] : keys)
      if (known == name) {
        value = encoded;
        return *this;
      }
    keys.emplace_back(name, encoded);
    return *this;
  }
  template <typename T>
  GgufBuilder& key(const std::string& name, uint32_t type, T value) {
    return key(name, le(type) + le(value));
  }
  GgufBuilder& string_key(const std::string& name, std::string_view value) {
    return key(name, le(uint32_t{kString}) + text(value));
  }
  // Places the bytes behind those of the tensors before.
  GgufBuilder& tensor(const std::string& name, std::vector<uint64_t> ne, uint32_t type,
                      std::string bytes) {
    const uint64_t offset =
        tensors.empty() ? 0 : padded(tensors.back().offset + tensors.back().bytes.size());
    tensors.push_back({name, std::move(ne), type, offset, std::move(bytes)});
    return *this;
  }
  GgufBuilder& tensor(const Tensor& t) {
    const auto type = static_cast<uint32_t>(info(t.dtype).gguf_id);
    return tensor(t.name, {t.shape.rbegin(), t.shape.rend()}, type,
                  {reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()});
  }
  Entry& at(const std::string& name) {
    for (Entry& entry : tensors)
      if (entry.name == name) return entry;
    return tensors.at(tensors.size());  // throws
  }

  std::string header() const {
    std::string out = magic + le(version) +
                      le(tensors.size() + static_cast<uint64_t>(more_tensors)) +
                      le(keys.size() + static_cast<uint64_t>(more_keys));
    for (const auto& [name, value] : keys) out += text(name) + value;
    for (const Entry& entry : tensors) {
      out += text(entry.name) + le(static_cast<uint32_t>(entry.ne.size()));
      for (const uint64_t size : entry.ne) out += le(size);
      out += le(entry.type) + le(entry.offset);
    }
    return out;
  }
  // Every tensor's bytes lie where they were placed, whatever its offset says now.
  std::string bytes() const {
    std::string out = header();
    for (const Entry& entry : tensors) {
      out.resize(padded(out.size()));
      out += entry.bytes;
    }
    return out;
  }

 private:
  uint64_t padded(uint64_t size) const { return (size + alignment - 1) / alignment * alignment; }
};

inline std::vector<std::byte> as_byte_vector(std::string_view text) {
  std::vector<std::byte> out(text.size());
  if (!text.empty()) std::memcpy(out.data(), text.data(), text.size());
  return out;
}

}  // namespace rwkv::test
