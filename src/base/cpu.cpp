#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace rwkv {
namespace {

#if defined(__x86_64__)

uint64_t xgetbv0() noexcept {
  uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

bool vendor_is_amd() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx;
}

uint32_t detect() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  const bool osxsave = c >> 27 & 1;
  if (!osxsave) return 0;
  const uint64_t saved = xgetbv0();
  const bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xe6) == 0xe6;
  uint32_t bits = vendor_is_amd() ? uint32_t{kCpuAmd} : 0;
  if (ymm && (c >> 12 & 1)) bits |= kCpuFma;
  if (ymm && (c >> 29 & 1)) bits |= kCpuF16c;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return bits;
  if (ymm && (b >> 5 & 1)) bits |= kCpuAvx2;
  const bool avx512 = (b >> 16 & 1) && (b >> 17 & 1) && (b >> 30 & 1) && (b >> 31 & 1);
  if (zmm && avx512) bits |= kCpuAvx512;
  if (zmm && avx512 && (c >> 11 & 1)) bits |= kCpuAvx512Vnni;
  const bool amx = (d >> 22 & 1) && (d >> 24 & 1) && (d >> 25 & 1);
  if ((saved & 0x60000) == 0x60000 && amx) bits |= kCpuAmx;
  return bits;
}

constexpr unsigned kDefault = 0x1f80, kFtzDaz = 0x8040;
uint64_t control() noexcept { return _mm_getcsr(); }
void set_control(uint64_t value) noexcept { _mm_setcsr(static_cast<unsigned>(value)); }

#elif defined(__aarch64__)

uint32_t detect() noexcept {
  uint32_t bits = kCpuNeon;
  if (getauxval(AT_HWCAP) >> 20 & 1) bits |= kCpuDotprod;
  if (getauxval(AT_HWCAP2) >> 13 & 1) bits |= kCpuI8mm;
  return bits;
}

constexpr uint64_t kDefault = 0, kFtzDaz = uint64_t{1} << 24;
uint64_t control() noexcept {
  uint64_t value = 0;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_control(uint64_t value) noexcept { asm volatile("msr fpcr, %0" : : "r"(value)); }

#else

uint32_t detect() noexcept { return 0; }
constexpr uint64_t kDefault = 0, kFtzDaz = 0;
uint64_t control() noexcept { return 0; }
void set_control(uint64_t) noexcept {}

#endif

}  // namespace

uint32_t cpu_bits() noexcept {
  static const uint32_t bits = detect();
  return bits;
}

bool may_use_tiles() noexcept {
#if defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return (cpu_bits() & kCpuAmx) && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

FloatMode::FloatMode(bool flush_subnormals) noexcept : saved_(control()) {
  set_control(flush_subnormals ? kDefault | kFtzDaz : kDefault);
}
FloatMode::~FloatMode() { set_control(saved_); }
void flush_subnormals() noexcept { set_control(kDefault | kFtzDaz); }

}  // namespace rwkv
