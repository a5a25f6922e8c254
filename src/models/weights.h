// A file's tensors under canonical names: BlinkDL's, matrices [out, in], low-rank factors [out, in] too,
// so that every version's file can be read against the paper. src/models/names/ does the renaming.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.h"
#include "tensor/tensor_file.h"

namespace rwkv {

class Weights {
 public:
  struct Entry {
    std::string source;                // the name in the file, for messages
    DType dtype = DType::kF32;
    Shape shape;
    std::span<const std::byte> bytes;  // in the map, or in `owned`
    std::shared_ptr<std::vector<std::byte>> owned = {};
  };

  explicit Weights(std::shared_ptr<TensorFile> file) : file_(std::move(file)) {}

  const TensorFile& file() const { return *file_; }
  // Error{kFormat} when two tensors of the file claim the same canonical name; Error{kShape} when a size
  // is 0.
  void add(std::string name, Entry entry);
  void replace(const std::string& name, Entry entry);  // or adds it
  const std::map<std::string, Entry>& entries() const { return entries_; }
  const Entry* find(const std::string& name) const;
  bool has(const std::string& name) const { return find(name) != nullptr; }
  // Error{kMissing}: "model.gguf: no tensor blocks.3.att.w1, which an RWKV v7 model needs".
  const Entry& at(const std::string& name) const;

  // Sizes of 1 are ignored. Error{kShape} names the tensor, its shape and what was expected.
  Matrix matrix(const std::string& name, size_t rows, size_t cols) const;
  // The slice-th matrix of a stack [n, rows, cols].
  Matrix matrix_of_stack(const std::string& name, size_t slice, size_t n, size_t rows,
                         size_t cols) const;
  // Any shape with n elements, decoded to f32.
  Vector vector(const std::string& name, size_t n) const;
  // Rows and columns of a matrix whose size the tensor decides (ranks).
  size_t rows(const std::string& name) const;
  size_t cols(const std::string& name) const;

  // These bytes are packed elsewhere and are not read again, in the file or made at load.
  void drop(std::span<const std::byte> bytes) const noexcept;

  // What the naming scheme knows about the values.
  bool decay_transformed = false;  // rwkv.cpp files: v4 -exp(decay), v5 exp(-exp(decay)), u = exp(first)
  bool ln0_folded = false;         // the embedding already went through ln0
  std::string scheme;              // "blinkdl", "fla" ...
  std::string version;             // for messages, set when detected

 private:
  [[noreturn]] void wrong_shape(const std::string& name, const Entry& entry, const Shape& want) const;
  std::shared_ptr<TensorFile> file_;
  std::map<std::string, Entry> entries_;
};

}  // namespace rwkv
