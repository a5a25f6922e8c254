// The writers, next to the readers. Each is told all names, types and shapes first, so that the
// header can be written before the data; then it asks for the bytes of one tensor after another, so
// that no more than one need be in memory. A file appears whole or not at all. Errors: kIo;
// kUnsupported for a type that the format cannot hold.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor_file.h"

namespace rwkv {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;

  size_t bytes() const { return bytes_of(dtype, count_of(shape)); }
};

using ByteSink = std::function<void(std::span<const std::byte>)>;
// Hands all bytes of tensor `index` to the sink, in as many pieces as it likes.
using TensorSource = std::function<void(size_t index, const ByteSink& sink)>;
using Metadata = std::map<std::string, MetaValue>;

// GGUF v3, alignment 32. Whole numbers of `meta` become u32 where they fit (what ggml's programs
// expect).
void write_gguf(const std::string& path, const Metadata& meta,
                const std::vector<TensorSpec>& tensors, const TensorSource& source);
// In parts: tensor i goes into part part_of[i], and "x.gguf" becomes "x-00001-of-0000N.gguf" and so
// on. Returns the paths.
std::vector<std::string> write_gguf_parts(const std::string& path, const Metadata& meta,
                                          const std::vector<TensorSpec>& tensors,
                                          const std::vector<size_t>& part_of, size_t n_part,
                                          const TensorSource& source);
std::string gguf_part_path(const std::string& path, size_t no, size_t count);  // no from 0 on
// Bytes of header before the data of write_gguf.
size_t gguf_header_bytes(const Metadata& meta, const std::vector<TensorSpec>& tensors);

// A state dict as torch.save writes it (zip, stored): F64, F32, F16, BF16.
void write_pth(const std::string& path, const std::vector<TensorSpec>& tensors,
               const TensorSource& source);
// A list of tensors without names.
void write_pth_list(const std::string& path, const std::vector<TensorSpec>& tensors,
                    const TensorSource& source);

// The same types. The metadata are strings.
void write_safetensors(const std::string& path, const std::vector<TensorSpec>& tensors,
                       const std::map<std::string, std::string>& meta, const TensorSource& source);

// rwkv.cpp's .bin, version 101: F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0. `type` is the header's.
struct GgmfHeader {
  size_t n_vocab = 0, n_embd = 0, n_layer = 0;
  DType type = DType::kF16;
};
void write_ggmf(const std::string& path, const GgmfHeader& header,
                const std::vector<TensorSpec>& tensors, const TensorSource& source);

// Part of every writer: the bytes of one tensor, counted.
class AtomicFile;
void write_tensor(AtomicFile& file, const TensorSpec& tensor, size_t index,
                  const TensorSource& source);

}  // namespace rwkv
