// rwkv.cpp's .bin, version 101.
#include "base/atomic_file.h"
#include "base/byte_writer.h"
#include "base/error.h"
#include "formats/writers.h"

namespace rwkv {
namespace {

uint32_t type_number(const std::string& path, const TensorSpec& t) {
  switch (t.dtype) {
    case DType::kF32: return 0;
    case DType::kF16: return 1;
    case DType::kQ4_0: return 2;
    case DType::kQ4_1: return 3;
    case DType::kQ5_0: return 7;
    case DType::kQ5_1: return 8;
    case DType::kQ8_0: return 9;
    default:
      throw Error(Code::kUnsupported,
                  "{}: tensor {} has type {}, expected F32, F16, Q4_0, Q4_1, Q5_0, Q5_1 or "
                  "Q8_0 for rwkv.cpp",
                  path, t.name, name(t.dtype));
  }
}

}  // namespace

void write_ggmf(const std::string& path, const GgmfHeader& header,
                const std::vector<TensorSpec>& tensors, const TensorSource& source) {
  AtomicFile file(path);
  ByteWriter start;
  start.number<uint32_t>(0x67676d66);
  start.number<uint32_t>(101);
  for (const size_t n : {header.n_vocab, header.n_embd, header.n_layer})
    start.number(static_cast<uint32_t>(n));
  start.number(type_number(path, {"header", header.type, {}}));
  file.write(start.bytes());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorSpec& t = tensors[i];
    ByteWriter out;
    out.number(static_cast<uint32_t>(t.shape.size()));
    out.number(static_cast<uint32_t>(t.name.size()));
    out.number(type_number(path, t));
    for (size_t d = t.shape.size(); d-- > 0;) out.number(static_cast<uint32_t>(t.shape[d]));
    out.text(t.name);
    file.write(out.bytes());
    write_tensor(file, t, i, source);
  }
  file.commit();
}

}  // namespace rwkv
