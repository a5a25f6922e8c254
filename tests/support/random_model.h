// Random, numerically sane models of every version, built in memory under BlinkDL's names (hybrids under
// canonical ones), so that tests need no files.
#pragma once

#include <algorithm>
#include <memory>
#include <random>
#include <string>

#include "models/models.h"
#include "tensor/tensor_file.h"

namespace rwkv::test {

struct RandomModel {
  std::string version = "v7";  // as in models.cpp, without "v": "v4", "v5.0" ... "rwkv6qwen2", "arwkv7"
  size_t n_layer = 2, n_embd = 48, head_size = 16, n_ffn = 80, n_vocab = 97;
  size_t rank = 8;             // of every low-rank pair
  DType type = DType::kF32;    // of the large matrices
  uint64_t seed = 1;
};

std::shared_ptr<TensorFile> make_file(const RandomModel& spec);
inline Model make_model(const RandomModel& spec, const ModelOptions& options = {}) {
  return build_model(make_file(spec), options);
}
// "v5.1" as googletest wants it in a test's name: "v5_1".
inline std::string name_of_test(std::string version) {
  std::replace(version.begin(), version.end(), '.', '_');
  return version;
}
inline const char* const kVersions[] = {"v4",  "v5.0", "v5.1",       "v5.2",  "v6",
                                        "v7", "v7a",  "rwkv6qwen2", "arwkv7"};

}  // namespace rwkv::test
