// The CPU backend.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "plan/executor.h"

namespace rwkv {

struct CpuOptions {
  size_t n_thread = 0;       // 0: default_thread_count()
  unsigned activations = 0;  // bits of quantized activations: 8, 16, or 0: by the weights
  // BF16 weights times activations rounded to BF16, as matrix units want them: other results, the same on all
  // instruction sets (kernels/linear_bf16.inl.h).
  bool bf16_activations = false;
  bool sparse = true;        // leaves out the weights of exact zeros after relu^2 where the type's layout can; same bits
  std::string isa = {};      // a KernelTable's name; empty: RWKV_CPU, else the best
  // Called with a matrix's bytes in the map once they are packed and not needed any more.
  std::function<void(std::span<const std::byte>)> drop = {};
  std::function<void(float)> progress = {};  // 0 to 1 while packing; may throw to stop
};

// Packs the plan's weights. Errors: kArgument (instruction set), kMemory.
std::unique_ptr<Executor> make_cpu_executor(std::shared_ptr<const Plan> plan, const CpuOptions& options);

}  // namespace rwkv
