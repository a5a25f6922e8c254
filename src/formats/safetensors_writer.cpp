// safetensors: header length, JSON, bytes without holes. The header is padded with spaces to 8
// bytes, so that the data are aligned.
#include "base/atomic_file.h"
#include "base/byte_writer.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/writers.h"

namespace rwkv {

void write_safetensors(const std::string& path, const std::vector<TensorSpec>& tensors,
                       const std::map<std::string, std::string>& meta, const TensorSource& source) {
  std::string header = "{\"__metadata__\":{";
  const char* comma = "";
  for (const auto& [key, value] : meta) {
    header += comma + json_quote(key) + ":" + json_quote(value);
    comma = ",";
  }
  header += "}";
  size_t at = 0;
  for (const TensorSpec& t : tensors) {
    if (info(t.dtype).block_values != 1)
      throw Error(Code::kUnsupported,
                  "{}: tensor {} has type {}, expected plain floats for safetensors", path, t.name,
                  name(t.dtype));
    std::string shape;
    for (const size_t size : t.shape) shape += (shape.empty() ? "" : ",") + std::to_string(size);
    header += strf(",{}:{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}",
                   json_quote(t.name), name(t.dtype), shape, at, at + t.bytes());
    at += t.bytes();
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  ByteWriter out;
  out.number<uint64_t>(header.size());
  out.text(header);
  AtomicFile file(path);
  file.write(out.bytes());
  for (size_t i = 0; i < tensors.size(); ++i) write_tensor(file, tensors[i], i, source);
  file.commit();
}

}  // namespace rwkv
