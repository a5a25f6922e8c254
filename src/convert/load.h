// What happens to a model's weights between file and plan when it is opened with adapters or
// quantized on the way: matrices are encoded in memory, the embedding stays in the map.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/models.h"

namespace rwkv {

struct LoadChanges {
  std::string quant;              // "": types stay
  std::vector<std::string> lora;  // "FILE" or "FILE:SCALE"
  size_t n_thread = 0;
  std::function<void(float)> progress;
};

Model build_changed_model(std::shared_ptr<TensorFile> file, const ModelOptions& options,
                          const LoadChanges& changes);

}  // namespace rwkv
