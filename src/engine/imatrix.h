// From what an executor collected to an importance matrix under the names of GGUF files.
#pragma once

#include "engine/model.h"
#include "formats/imatrix.h"

namespace rwkv {

// Stacks (v6's five mixes) become entries of several matrices. A tensor without a GGUF name keeps its own.
Imatrix collected_imatrix(const LoadedModel& model);

}  // namespace rwkv
