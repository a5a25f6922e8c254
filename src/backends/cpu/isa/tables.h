// Which kernel tables this build has, and which of them this processor can run.
#pragma once

#include <span>
#include <string_view>

#include "backends/cpu/kernels.h"

namespace rwkv::cpu {

std::span<const KernelTable* const> compiled_tables();  // best first, scalar last
bool can_run(const KernelTable& table);  // with AMX it asks the system, see may_use_tiles()
// The named table; with "" the one that RWKV_CPU names, else the best. Error{kArgument} for a name that is
// unknown or beyond this processor.
const KernelTable& choose_table(std::string_view name);

}  // namespace rwkv::cpu
