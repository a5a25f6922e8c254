// libFuzzer target: any bytes as a .safetensors file end in an Error or in tensors whose bytes can
// be read.
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "formats/formats.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  try {
    const auto file =
        rwkv::read_safetensors("fuzz", rwkv::MappedFile::from_bytes("fuzz", std::move(bytes)));
    unsigned sum = 0;
    for (const rwkv::Tensor& tensor : file->tensors())
      for (const std::byte value : tensor.bytes) sum += static_cast<unsigned>(value);
    volatile unsigned sink = sum;
    (void)sink;
  } catch (const rwkv::Error&) {
  }
  return 0;
}
