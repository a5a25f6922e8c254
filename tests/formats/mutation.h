// Damaged copies of a valid file, the same for the same seed on every machine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace rwkv::test {

using Bytes = std::vector<std::byte>;

// One to four damages: bits flipped, bytes and numbers replaced, cut, a part removed, doubled or
// moved over another. May return the file unharmed (a part moved over itself).
inline Bytes mutate(Bytes file, uint64_t seed) {
  std::mt19937_64 random(seed);
  // Not std::uniform_int_distribution, whose numbers differ between libraries.
  const auto below = [&](size_t n) {
    return n == 0 ? size_t{0} : static_cast<size_t>(random() % n);
  };
  // Near the front and near the end is where formats keep what they believe.
  const auto place = [&](size_t n) {
    const size_t at = below(n);
    switch (below(4)) {
      case 0: return at % std::min<size_t>(n, 256);
      case 1: return n - 1 - at % std::min<size_t>(n, 256);
      default: return at;
    }
  };
  const auto offset = [&](size_t at) { return file.begin() + static_cast<std::ptrdiff_t>(at); };
  constexpr uint64_t kNasty[] = {0,
                                 1,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x7fff,
                                 0xffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x100000000,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 0xfffffffffffffff0,
                                 0xffffffffffffffff};
  for (size_t n = 1 + below(4); n > 0 && !file.empty(); --n) {
    const size_t at = place(file.size());
    const size_t left = file.size() - at;
    switch (below(8)) {
      case 0:
      case 1: file[at] ^= static_cast<std::byte>(1u << below(8)); break;
      case 2: file[at] = static_cast<std::byte>(below(256)); break;
      case 3: {
        const uint64_t value = kNasty[below(std::size(kNasty))];
        std::memcpy(file.data() + at, &value, std::min<size_t>(left, size_t{1} << below(4)));
        break;
      }
      case 4: file.resize(at); break;
      case 5: file.erase(offset(at), offset(at + 1 + below(std::min<size_t>(left, 64)))); break;
      case 6: {
        const Bytes part(offset(at), offset(at + 1 + below(std::min<size_t>(left, 64))));
        file.insert(offset(below(file.size() + 1)), part.begin(), part.end());
        break;
      }
      default: {
        const Bytes part(offset(at), offset(at + 1 + below(std::min<size_t>(left, 64))));
        const size_t to = place(file.size());
        std::copy_n(part.begin(), std::min(part.size(), file.size() - to), offset(to));
        break;
      }
    }
  }
  return file;
}

}  // namespace rwkv::test
