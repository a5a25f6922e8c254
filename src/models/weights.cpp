#include "models/weights.h"

#include "base/error.h"
#include "base/mapped_file.h"

namespace rwkv {
namespace {

Shape squeeze(const Shape& shape) {
  Shape out;
  for (const size_t size : shape)
    if (size != 1) out.push_back(size);
  return out;
}

}  // namespace

void Weights::add(std::string name, Entry entry) {
  if (!is_weight_type(entry.dtype))
    throw Error(Code::kUnsupported, "{}: tensor {} has type {}, expected floats or blocks",
                file_->path(), entry.source, rwkv::name(entry.dtype));
  if (count_of(entry.shape) == 0)
    throw Error(Code::kShape, "{}: tensor {} is {}, expected no size of 0", file_->path(), entry.source,
                to_string(entry.shape));
  const std::string source = entry.source;
  if (!entries_.emplace(name, std::move(entry)).second)
    throw Error(Code::kFormat, "{}: tensor {} gives {} a second time", file_->path(), source, name);
}

void Weights::replace(const std::string& name, Entry entry) {
  entries_.erase(name);
  add(name, std::move(entry));
}

const Weights::Entry* Weights::find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

void Weights::drop(std::span<const std::byte> bytes) const noexcept {
  file_->drop(bytes);
  for (const auto& [name, entry] : entries_)  // an embedding that is the head as well is still looked up
    if (entry.owned && name != "emb.weight" && bytes.data() >= entry.bytes.data() &&
        bytes.data() + bytes.size() <= entry.bytes.data() + entry.bytes.size())
      discard_pages(bytes);
}

const Weights::Entry& Weights::at(const std::string& name) const {
  const Entry* entry = find(name);
  if (!entry)
    throw Error(Code::kMissing, "{}: no tensor {} ({} names), which an RWKV {} model needs", file_->path(),
                name, scheme, version);
  return *entry;
}

void Weights::wrong_shape(const std::string& name, const Entry& entry, const Shape& want) const {
  const std::string shown = entry.source == name ? name : strf("{} ({})", entry.source, name);
  throw Error(Code::kShape, "{}: tensor {} is {}, expected {} by the other tensors", file_->path(),
              shown, to_string(entry.shape), to_string(want));
}

Matrix Weights::matrix(const std::string& name, size_t rows, size_t cols) const {
  const Entry& entry = at(name);
  // Blocks run along the file's last axis: a column of ones must not become rows of part of a block.
  if (squeeze(entry.shape) != squeeze({rows, cols}) || cols % info(entry.dtype).block_values != 0)
    wrong_shape(name, entry, {rows, cols});
  return {entry.dtype, rows, cols, entry.bytes, name};
}

Matrix Weights::matrix_of_stack(const std::string& name, size_t slice, size_t n, size_t rows,
                                size_t cols) const {
  const Entry& entry = at(name);
  if (squeeze(entry.shape) != squeeze({n, rows, cols}) || cols % info(entry.dtype).block_values != 0)
    wrong_shape(name, entry, {n, rows, cols});
  const size_t bytes = bytes_of(entry.dtype, rows * cols);
  return {entry.dtype, rows, cols, entry.bytes.subspan(slice * bytes, bytes), name};
}

Vector Weights::vector(const std::string& name, size_t n) const {
  const Entry& entry = at(name);
  if (count_of(entry.shape) != n) wrong_shape(name, entry, {n});
  Vector out(n);
  info(entry.dtype).decode(entry.bytes.data(), n / info(entry.dtype).block_values, out.data());
  return out;
}

size_t Weights::rows(const std::string& name) const {
  const Entry& entry = at(name);
  if (entry.shape.size() < 2) wrong_shape(name, entry, {0, 0});
  return entry.shape[entry.shape.size() - 2];
}
size_t Weights::cols(const std::string& name) const {
  const Entry& entry = at(name);
  if (entry.shape.size() < 2) wrong_shape(name, entry, {0, 0});
  return entry.shape.back();
}

}  // namespace rwkv
