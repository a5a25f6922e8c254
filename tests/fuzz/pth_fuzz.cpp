// libFuzzer target: any bytes as a .pth file end in an Error or in tensors whose bytes can be read.
// Bytes that are no zip are wrapped as the data.pkl of one, so that the pickle machine is reached
// at once.
#include <cstdint>

#include "../formats/pth_builder.h"
#include "base/error.h"
#include "formats/formats.h"

namespace {
void read_all(std::vector<std::byte> bytes) {
  try {
    const auto file =
        rwkv::read_pth("fuzz.pth", rwkv::MappedFile::from_bytes("fuzz.pth", std::move(bytes)));
    unsigned sum = 0;
    for (const rwkv::Tensor& tensor : file->tensors())
      for (const std::byte value : tensor.bytes) sum += static_cast<unsigned>(value);
    volatile unsigned sink = sum;
    (void)sink;
  } catch (const rwkv::Error&) {
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("PK")) {
    read_all(rwkv::test::to_bytes(text));
  } else {
    rwkv::test::PthBuilder builder;
    builder.data_pkl = text;
    read_all(builder.bytes());
  }
  return 0;
}
