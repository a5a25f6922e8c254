// SHA-256 (FIPS 180-4), plain C++: the hash by which hubs name large files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace command {

class Sha256 {
 public:
  void update(std::string_view bytes);
  std::string hex();  // ends the message: 64 lower-case digits. Call it once.

 private:
  void block(const unsigned char* bytes);  // 64 bytes

  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  uint64_t n_byte_ = 0;
};

bool is_sha256(std::string_view text);  // 64 hexadecimal digits

}  // namespace command
