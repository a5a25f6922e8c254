#include "base/exp_down.h"

#include <bit>
#include <cstdint>

#include "base/cpu.h"

namespace rwkv {
namespace {

// Without branches and calls, so that compilers make vectors of it, as wide as the caller's instruction set has them.
[[gnu::always_inline]] inline void exp_all(double* x, size_t n) {
  const auto polynomial = [](double r, auto... term) __attribute__((always_inline)) {
    double sum = 0;
    ((sum = sum * r + term), ...);
    return sum;
  };
  for (size_t i = 0; i < n; ++i) {
    constexpr double kRound = 0x1.8p52;  // adding it leaves a whole number in the lower bits
    const double shifted = x[i] * 1.4426950408889634 + kRound;
    const double power = shifted - kRound;  // of 2
    // ln 2 in two parts, the first exact in products with `power`.
    const double r = (x[i] - power * 0x1.62e42feep-1) - power * 0x1.a39ef35793c76p-33;
    const double rest = polynomial(r, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
                                   1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0);
    x[i] = rest * std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);
  }
}
#if defined(__x86_64__)
[[gnu::target("avx2")]] void exp_all_avx2(double* x, size_t n) { exp_all(x, n); }
#endif

}  // namespace

void exp_down(std::span<double> x) {
#if defined(__x86_64__)
  if (cpu_bits() & kCpuAvx2) return exp_all_avx2(x.data(), x.size());
#endif
  exp_all(x.data(), x.size());
}

}  // namespace rwkv
