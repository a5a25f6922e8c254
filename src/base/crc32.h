// CRC-32 as zip files use it (reflected 0x04c11db7), eight bytes a step.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace rwkv {

class Crc32 {
 public:
  void add(std::span<const std::byte> bytes) noexcept {
    const std::byte* at = bytes.data();
    size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) {
      uint64_t eight;
      std::memcpy(&eight, at, 8);
      eight ^= value_;
      value_ = 0;
      for (size_t i = 0; i < 8; ++i) value_ ^= kTables[7 - i][eight >> 8 * i & 0xff];
    }
    for (; left > 0; --left, ++at)
      value_ = value_ >> 8 ^ kTables[0][(value_ ^ static_cast<uint32_t>(*at)) & 0xff];
  }
  uint32_t value() const noexcept { return ~value_; }

 private:
  using Tables = std::array<std::array<uint32_t, 256>, 8>;
  // kTables[n][b]: what byte b does to the sum when n zero bytes follow it.
  static constexpr Tables make_tables() {
    Tables tables{};
    for (uint32_t b = 0; b < 256; ++b) {
      uint32_t sum = b;
      for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0u);
      tables[0][b] = sum;
    }
    for (size_t n = 1; n < 8; ++n)
      for (size_t b = 0; b < 256; ++b)
        tables[n][b] = tables[n - 1][b] >> 8 ^ tables[0][tables[n - 1][b] & 0xff];
    return tables;
  }
  static const Tables kTables;

  uint32_t value_ = 0xffffffffu;
};

inline constexpr Crc32::Tables Crc32::kTables = Crc32::make_tables();

}  // namespace rwkv
