// The CpuBits that the tables name; a copy in C, checked against base/cpu.h where tables are chosen.
#pragma once

#include <stdint.h>

namespace rwkv::cpu {

constexpr uint32_t kCpuAvx2 = 1u << 0;
constexpr uint32_t kCpuFma = 1u << 1;
constexpr uint32_t kCpuF16c = 1u << 2;
constexpr uint32_t kCpuAvx512 = 1u << 3;
constexpr uint32_t kCpuAvx512Vnni = 1u << 4;
constexpr uint32_t kCpuNeon = 1u << 5;
constexpr uint32_t kCpuDotprod = 1u << 6;
constexpr uint32_t kCpuI8mm = 1u << 7;
constexpr uint32_t kCpuAmx = 1u << 9;

}  // namespace rwkv::cpu
