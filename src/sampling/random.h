// Random numbers that are the same on every platform: SplitMix64 (Steele, Lea, Flood 2014). The
// standard library's distributions differ between implementations, so none is used. Eight bytes of
// state make a sampler cheap to clone; its statistical quality is far beyond what drawing tokens
// needs.
#pragma once

#include <cstdint>

namespace rwkv {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio: any odd step visits all 2^64 states
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // In [0, 1): the upper 53 bits fill a double exactly.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  uint64_t state_;
};

}  // namespace rwkv
