#include "tensor/tensor_file.h"

#include <cmath>

#include "base/error.h"

namespace rwkv {

std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

size_t count_of(const Shape& shape) {
  size_t count = 1;
  for (const size_t size : shape) count *= size;
  return count;
}

void TensorFile::add_tensor(Tensor tensor) {
  size_t count = 1;
  for (const size_t size : tensor.shape)
    if (__builtin_mul_overflow(count, size, &count))
      throw Error(Code::kFormat, "{}: tensor {}: the sizes {} overflow", path_, tensor.name,
                  to_string(tensor.shape));
  const DTypeInfo& type = info(tensor.dtype);
  const size_t width = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (width % type.block_values != 0)
    throw Error(Code::kFormat, "{}: tensor {}: rows of {} values, expected a multiple of {} for {}",
                path_, tensor.name, width, type.block_values, type.name);
  size_t bytes = 0;
  if (__builtin_mul_overflow(count / type.block_values, type.block_bytes, &bytes) ||
      bytes != tensor.bytes.size())
    throw Error(Code::kFormat, "{}: tensor {}: {} {} takes {} bytes, found {}", path_, tensor.name,
                type.name, to_string(tensor.shape), bytes, tensor.bytes.size());
  if (!index_.emplace(tensor.name, tensors_.size()).second)
    throw Error(Code::kFormat, "{}: tensor {} stands in the file twice", path_, tensor.name);
  tensors_.push_back(std::move(tensor));
}

const Tensor* TensorFile::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const std::string* TensorFile::meta_string(const std::string& key) const {
  const auto found = meta_.find(key);
  if (found == meta_.end()) return nullptr;
  const auto* value = std::get_if<std::string>(&found->second);
  if (!value) throw Error(Code::kFormat, "{}: key {}: expected a string", path_, key);
  return value;
}

const int64_t* TensorFile::meta_int(const std::string& key, int64_t& store) const {
  const auto found = meta_.find(key);
  if (found == meta_.end()) return nullptr;
  if (const auto* value = std::get_if<int64_t>(&found->second)) {
    store = *value;
  } else if (const auto* wide = std::get_if<uint64_t>(&found->second); wide && *wide >> 63 == 0) {
    store = static_cast<int64_t>(*wide);
  } else {
    throw Error(Code::kFormat, "{}: key {}: expected a whole number", path_, key);
  }
  return &store;
}

const double* TensorFile::meta_float(const std::string& key, double& store) const {
  const auto found = meta_.find(key);
  if (found == meta_.end()) return nullptr;
  const auto* value = std::get_if<double>(&found->second);
  if (!value || !std::isfinite(*value))
    throw Error(Code::kFormat, "{}: key {}: expected a finite floating-point number", path_, key);
  store = *value;
  return &store;
}

size_t TensorFile::file_bytes() const {
  size_t total = 0;
  for (const auto& map : maps_) total += map->bytes().size();
  return total;
}

void TensorFile::drop(std::span<const std::byte> bytes) const noexcept {
  for (const auto& map : maps_) {
    const auto all = map->bytes();
    if (bytes.data() >= all.data() && bytes.data() + bytes.size() <= all.data() + all.size())
      map->drop(bytes);
  }
}

}  // namespace rwkv
