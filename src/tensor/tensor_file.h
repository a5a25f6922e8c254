// What every reader returns: named tensors and metadata that point into the mapped file(s).
// Checked at the door: every span lies in its file, every product fits, every name is unique.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/dtype.h"

namespace rwkv {

// Sizes, outermost first (PyTorch's order; GGUF's `ne` reversed). Rank 0 is one value.
using Shape = std::vector<size_t>;
std::string to_string(const Shape& shape);  // "[768, 3072]"
size_t count_of(const Shape& shape);        // product; the reader has checked that it fits

struct Tensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::span<const std::byte> bytes;  // row-major, contiguous; blocks run along the last axis
};

// Metadata: GGUF's value types, widened. Arrays hold one kind.
using MetaValue = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;

class TensorFile {
 public:
  TensorFile(std::string path, std::string format) : path_(std::move(path)), format_(std::move(format)) {}

  const std::string& path() const { return path_; }      // as the user gave it
  const std::string& format() const { return format_; }  // "gguf", "pth", "safetensors", "ggmf"

  // Readers build the file with these. Throws Error{kFormat} when the name is taken, or the bytes do
  // not match dtype and shape (rows must be whole blocks; products are checked for overflow).
  void add_tensor(Tensor tensor);
  void add_map(std::shared_ptr<MappedFile> map) { maps_.push_back(std::move(map)); }

  const std::vector<Tensor>& tensors() const { return tensors_; }  // in file order
  const Tensor* find(std::string_view name) const;                 // null when absent

  std::map<std::string, MetaValue>& meta() { return meta_; }
  const std::map<std::string, MetaValue>& meta() const { return meta_; }
  // Null when absent; Error{kFormat} naming file and key when of another kind. Integers convert.
  const std::string* meta_string(const std::string& key) const;
  const int64_t* meta_int(const std::string& key, int64_t& store) const;
  const double* meta_float(const std::string& key, double& store) const;

  std::span<const std::shared_ptr<MappedFile>> maps() const { return maps_; }
  size_t file_bytes() const;

  // Tells the system that these mapped bytes are not needed any more (they are packed elsewhere).
  void drop(std::span<const std::byte> bytes) const noexcept;

 private:
  std::string path_, format_;
  std::vector<std::shared_ptr<MappedFile>> maps_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string, size_t> index_;
  std::map<std::string, MetaValue> meta_;
};

}  // namespace rwkv
