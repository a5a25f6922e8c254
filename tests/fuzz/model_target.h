// What the targets of model files share: a file that a reader lets through is built, and its plan
// walked.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "backends/reference/reference.h"
#include "base/error.h"
#include "formats/formats.h"
#include "models/models.h"

namespace rwkv::fuzz {

inline std::vector<std::byte> to_bytes(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  return {begin, begin + size};
}

// Every byte of every tensor can be read; a promise of our own that breaks is a finding.
inline void build_and_step(std::shared_ptr<TensorFile> file) {
  unsigned sum = 0;
  for (const Tensor& tensor : file->tensors())
    for (const std::byte value : tensor.bytes) sum += static_cast<unsigned>(value);
  [[maybe_unused]] volatile unsigned sink = sum;
  const Model model = build_model(file, {});
  if (file->file_bytes() > (size_t{1} << 20))
    return;  // a step of a large model takes too long here
  const auto executor = make_reference_executor(model.plan);
  const int32_t token = 0;
  const Segment segment{executor->new_slot(), 1};
  const uint32_t row = 0;
  std::vector<float> logits(model.plan->n_vocab);
  executor->run({{&token, 1}, {&segment, 1}, {&row, 1}}, logits);
}

template <typename F>
int errors_only(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    if (error.code() == Code::kInternal) std::abort();
  }
  return 0;
}

}  // namespace rwkv::fuzz
