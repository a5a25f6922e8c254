// libFuzzer target: any bytes as a .gguf file end in an Error or in a model that can run a step.
#include "model_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return rwkv::fuzz::errors_only([&] {
    const auto map = rwkv::MappedFile::from_bytes("fuzz", rwkv::fuzz::to_bytes(data, size));
    rwkv::fuzz::build_and_step(rwkv::read_gguf("fuzz", map));
  });
}
