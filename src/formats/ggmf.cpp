// rwkv.cpp's .bin files ("ggmf", versions 100 and 101): a header of six numbers, then tensors until the end.
#include "base/byte_reader.h"
#include "base/utf8.h"
#include "formats/formats.h"

namespace rwkv {
namespace {

constexpr uint32_t kGgmfMagic = 0x67676d66;

// rwkv.cpp's type numbers. Version 100 knew other block layouts, so only its plain types can be read.
const DTypeInfo& ggmf_type(uint32_t id, uint32_t version, const std::string& path,
                           std::string_view where) {
  static constexpr DType kIds[] = {DType::kF32,   DType::kF16,  DType::kQ4_0, DType::kQ4_1, DType::kCount,
                                   DType::kCount, DType::kCount, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0,
                                   DType::kCount, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K,
                                   DType::kQ6_K};
  if (id >= 4 && id <= 6)
    throw Error(Code::kUnsupported, "{}: {}: type {} (Q4_1_O, Q4_2 or Q4_3) was removed from the format; "
                "convert the original checkpoint again", path, where, id);
  if (id >= std::size(kIds) || kIds[id] == DType::kCount)
    throw Error(Code::kFormat, "{}: {}: type {}, expected 0 to 3, 7 to 9 or 11 to 15", path, where, id);
  if (version == 100 && id > 1)
    throw Error(Code::kUnsupported, "{}: {}: quantized with version 100, whose block layouts nothing reads "
                "today; convert the original checkpoint again", path, where);
  return info(kIds[id]);
}

Tensor read_tensor(ByteReader& bytes, uint32_t version, const std::string& path) {
  const size_t start = bytes.at();
  const auto n_dim = bytes.number<uint32_t>("a number of dimensions");
  const auto name_bytes = bytes.number<uint32_t>("a name's length");
  const auto type_id = bytes.number<uint32_t>("a tensor type");
  if (n_dim < 1 || n_dim > 3 || name_bytes < 1 || name_bytes > 256)
    throw Error(Code::kFormat, "{}: byte {}: a tensor of {} dimensions with a name of {} bytes, expected 1 "
                "to 3 and 1 to 256 (is the file cut?)", path, start, n_dim, name_bytes);
  Tensor tensor;
  for (uint32_t i = 0; i < n_dim; ++i)
    tensor.shape.insert(tensor.shape.begin(), bytes.number<uint32_t>("a dimension"));
  tensor.name = bytes.text(name_bytes, "a tensor name");
  if (!is_valid_utf8(tensor.name))
    throw Error(Code::kFormat, "{}: byte {}: expected a tensor name in UTF-8", path, start);
  const DTypeInfo& type = ggmf_type(type_id, version, path, "tensor " + tensor.name);
  tensor.dtype = type.dtype;
  size_t count = 1;
  for (const size_t size : tensor.shape)
    if (size == 0 || __builtin_mul_overflow(count, size, &count))
      throw Error(Code::kFormat, "{}: tensor {}: the sizes {} are empty or overflow", path, tensor.name,
                  to_string(tensor.shape));
  size_t n_byte = 0;
  if (tensor.shape.back() % type.block_values != 0 ||
      __builtin_mul_overflow(count / type.block_values, type.block_bytes, &n_byte))
    throw Error(Code::kFormat, "{}: tensor {}: {} {}, expected rows of whole blocks of {}", path,
                tensor.name, type.name, to_string(tensor.shape), type.block_values);
  tensor.bytes = bytes.take(n_byte, "the data of " + tensor.name);
  return tensor;
}

}  // namespace

std::unique_ptr<TensorFile> read_ggmf(const std::string& path, std::shared_ptr<MappedFile> map) {
  auto file = std::make_unique<TensorFile>(path, "ggmf");
  ByteReader bytes(map->bytes(), path);
  if (bytes.number<uint32_t>("the magic") != kGgmfMagic)
    throw Error(Code::kFormat, "{}: byte 0: expected rwkv.cpp's magic 0x67676d66", path);
  const auto version = bytes.number<uint32_t>("the version");
  if (version != 100 && version != 101)
    throw Error(Code::kUnsupported, "{}: rwkv.cpp file version {}, expected 100 or 101", path, version);
  for (const char* key : {"ggmf.n_vocab", "ggmf.n_embed", "ggmf.n_layer"}) {
    const auto value = bytes.number<uint32_t>(key);
    if (value == 0 || value > 1u << 24)
      throw Error(Code::kFormat, "{}: header: {} is {}, expected 1 to 2^24", path, key, value);
    file->meta()[key] = static_cast<int64_t>(value);
  }
  const DTypeInfo& type = ggmf_type(bytes.number<uint32_t>("the data type"), version, path, "header");
  file->meta()["ggmf.data_type"] = std::string(type.name);
  file->meta()["ggmf.version"] = static_cast<int64_t>(version);
  while (bytes.left() > 0) file->add_tensor(read_tensor(bytes, version, path));
  file->add_map(std::move(map));
  return file;
}

}  // namespace rwkv
