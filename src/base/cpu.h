// What this processor can do, and how subnormal numbers are treated in the current thread.
#pragma once

#include <cstdint>

namespace rwkv {

// Bits of instruction sets, counted only when the system saves their registers too.
enum CpuBit : uint32_t {
  kCpuAvx2 = 1u << 0,
  kCpuFma = 1u << 1,
  kCpuF16c = 1u << 2,
  kCpuAvx512 = 1u << 3,      // F, BW, VL, DQ
  kCpuAvx512Vnni = 1u << 4,
  kCpuNeon = 1u << 5,
  kCpuDotprod = 1u << 6,
  kCpuI8mm = 1u << 7,
  kCpuAmd = 1u << 8,         // the maker: what is fastest differs where the instructions do not
  kCpuAmx = 1u << 9,         // tiles, with products of bytes and of bf16; see may_use_tiles()
};
uint32_t cpu_bits() noexcept;  // detected once
// Asks Linux for the room that tiles take in this process, for good (signal stacks must then be larger), and says
// whether there is any.
bool may_use_tiles() noexcept;

// The mode that the program's results are defined in, whatever the caller's: rounding to nearest, no traps. Restores the
// thread's own.
class FloatMode {
 public:
  explicit FloatMode(bool flush_subnormals) noexcept;
  ~FloatMode();
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
  uint64_t saved_;
};
// Flush-to-zero and denormals-are-zero too: a sweep over subnormal weights would otherwise run at a tenth of the speed.
class FlushSubnormals : FloatMode {
 public:
  FlushSubnormals() noexcept : FloatMode(true) {}
};
// For good, in a worker thread.
void flush_subnormals() noexcept;

}  // namespace rwkv
