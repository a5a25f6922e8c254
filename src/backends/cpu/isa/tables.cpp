#include "backends/cpu/isa/tables.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

#include "backends/cpu/isa/needs.h"
#include "base/cpu.h"
#include "base/error.h"

namespace rwkv::cpu {

static_assert(static_cast<uint32_t>(rwkv::kCpuAvx2) == cpu::kCpuAvx2 &&
              static_cast<uint32_t>(rwkv::kCpuFma) == cpu::kCpuFma &&
              static_cast<uint32_t>(rwkv::kCpuF16c) == cpu::kCpuF16c &&
              static_cast<uint32_t>(rwkv::kCpuAvx512) == cpu::kCpuAvx512 &&
              static_cast<uint32_t>(rwkv::kCpuAvx512Vnni) == cpu::kCpuAvx512Vnni &&
              static_cast<uint32_t>(rwkv::kCpuNeon) == cpu::kCpuNeon &&
              static_cast<uint32_t>(rwkv::kCpuDotprod) == cpu::kCpuDotprod &&
              static_cast<uint32_t>(rwkv::kCpuI8mm) == cpu::kCpuI8mm &&
              static_cast<uint32_t>(rwkv::kCpuAmx) == cpu::kCpuAmx);

std::span<const KernelTable* const> compiled_tables() {
#if defined(RWKV_WITH_AVX512)
  static const KernelTable amx = [] {
    KernelTable table = kAvx512Table;
    table.name = "amx";
    table.needs |= cpu::kCpuAmx;
    table.linear = amx_linear;
    table.dot_loop = amx_dot_loop;
    return table;
  }();
#endif
  static const KernelTable* const kTables[] = {
#if defined(RWKV_WITH_AVX512)
      &kAvx512Table, &amx,  // AMX only by name until it has been measured on such a processor
#endif
#if defined(__x86_64__)
      &kAvx2Table,
#elif defined(__aarch64__)
      &kNeonI8mmTable, &kNeonDotprodTable, &kNeonTable,
#endif
      &kScalarTable};
  return kTables;
}

bool can_run(const KernelTable& table) {
  return (cpu_bits() & table.needs) == table.needs && (!(table.needs & cpu::kCpuAmx) || may_use_tiles());
}

const KernelTable& choose_table(std::string_view name) {
  if (name.empty())
    if (const char* forced = std::getenv("RWKV_CPU")) name = forced;
  for (const KernelTable* table : compiled_tables()) {
    // "AVX2" too: it is how most people write it, on the command line and in RWKV_CPU.
    const bool named = std::ranges::equal(name, std::string_view(table->name), [](unsigned char a, unsigned char b) {
      return std::tolower(a) == b;
    });
    if ((name.empty() || named) && can_run(*table)) return *table;
  }
  std::string names;
  for (const KernelTable* table : compiled_tables())
    if (can_run(*table)) names += (names.empty() ? "" : ", ") + std::string(table->name);
  throw Error(Code::kArgument, "instruction set \"{}\" (RWKV_CPU): expected one of {}", name, names);
}

}  // namespace rwkv::cpu
