// The reference backend: double precision, plain loops, one thread.
#pragma once

#include <memory>

#include "plan/executor.h"

namespace rwkv {

// States are kept in double between calls; a snapshot (f32) rounds them.
std::unique_ptr<Executor> make_reference_executor(std::shared_ptr<const Plan> plan);

}  // namespace rwkv
