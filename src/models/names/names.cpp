// Applies a naming scheme: expands its table and transforms the tensors.
#include "models/names/names.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "base/log.h"
#include "models/names/patterns.h"

namespace rwkv {
namespace {

struct Target {
  std::vector<std::string> to;  // several for kSplit
  Transform transform;
};

std::unordered_map<std::string, Target> expand_table(std::span<const NameRow> rows) {
  std::unordered_map<std::string, Target> table;
  for (const NameRow& row : rows) {
    const auto to = expand(row.to);
    if (row.transform == Transform::kSplit) {
      table.emplace(row.from, Target{to, row.transform});
      continue;
    }
    const auto from = expand(row.from);
    RWKV_CHECK(from.size() == to.size());
    for (size_t i = 0; i < from.size(); ++i)
      table.emplace(from[i], Target{{to[i]}, row.transform});
  }
  return table;
}

Weights::Entry entry_of(const Tensor& t) { return {t.name, t.dtype, t.shape, t.bytes}; }

Weights::Entry transposed(const TensorFile& file, const Tensor& t) {
  const size_t rank = t.shape.size(), width = info(t.dtype).block_bytes;
  if (rank < 2 || rank > 3 || info(t.dtype).block_values != 1)
    throw Error(Code::kShape, "{}: tensor {} is {} {}, expected a matrix of plain floats", file.path(), t.name,
                name(t.dtype), to_string(t.shape));
  Weights::Entry out = entry_of(t);
  std::swap(out.shape[rank - 1], out.shape[rank - 2]);
  out.owned = std::make_shared<std::vector<std::byte>>(t.bytes.size());
  const size_t rows = t.shape[rank - 2], cols = t.shape[rank - 1];
  for (size_t stack = 0; stack * rows * cols * width < t.bytes.size(); ++stack) {
    const std::byte* from = t.bytes.data() + stack * rows * cols * width;
    std::byte* to = out.owned->data() + stack * rows * cols * width;
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < cols; ++c)
        std::memcpy(to + (c * rows + r) * width, from + (r * cols + c) * width, width);
  }
  out.bytes = *out.owned;
  return out;
}

// Five equal pieces, from the order r k v w g to w k v r g.
void reorder_rkvwg(Weights::Entry& entry) {
  if (entry.owned->size() % 5 != 0) return;  // the shape check will name it
  const size_t piece = entry.owned->size() / 5;
  for (size_t i = 0; i < piece; ++i) std::swap((*entry.owned)[i], (*entry.owned)[3 * piece + i]);
}

void split(Weights& weights, const Tensor& t, const std::vector<std::string>& to,
           const std::string& number) {
  // All but the width and the count must be 1. arwkv7 without a gate stacks five, so the last may miss.
  size_t count = 0, width = 0, others = 1;
  for (const size_t size : t.shape) {
    if (size == 1) continue;
    if (count == 0) count = size;
    else if (width == 0) width = size;
    else others *= size;
  }
  if (width == 0 || others != 1 || count > to.size() || count + 1 < to.size() ||
      info(t.dtype).block_values != 1)
    throw Error(Code::kShape, "{}: tensor {} is {} {}, expected {} vectors", weights.file().path(), t.name,
                name(t.dtype), to_string(t.shape), to.size());
  const size_t bytes = t.bytes.size() / count;
  for (size_t i = 0; i < count; ++i)
    weights.add(unstar(to[i], number), {t.name, t.dtype, {width}, t.bytes.subspan(i * bytes, bytes)});
}

const NameScheme& choose(const TensorFile& file) {
  for (const auto schemes : {gguf_schemes(), checkpoint_schemes()})
    for (const NameScheme& scheme : schemes)
      if (scheme.matches(file)) return scheme;
  if (const auto arch = file.meta().find("general.architecture"); arch != file.meta().end())
    throw Error(Code::kUnsupported, "{}: architecture {} is not an RWKV that can be run; expected rwkv4, "
                "rwkv5, rwkv6, rwkv7, rwkv7a, rwkv6qwen2 or arwkv7", file.path(),
                *file.meta_string("general.architecture"));
  throw Error(Code::kUnsupported, "{}: its {} tensors ({} ...) carry the names of no RWKV model known here "
              "(no emb.weight or its like)",
              file.path(), file.tensors().size(),
              file.tensors().empty() ? std::string("none") : file.tensors().front().name);
}

}  // namespace

std::shared_ptr<Weights> canonical_weights(std::shared_ptr<TensorFile> file) {
  const NameScheme& scheme = choose(*file);
  const auto table = expand_table(scheme.rows);
  auto weights = std::make_shared<Weights>(file);
  weights->scheme = scheme.name;
  weights->decay_transformed = scheme.decay_transformed;
  weights->ln0_folded = scheme.ln0_folded;
  for (const Tensor& tensor : file->tensors()) {
    const Starred starred = star(tensor.name);
    const auto found = table.find(starred.name);
    if (found == table.end()) {
      if (scheme.pass_others && is_weight_type(tensor.dtype))
        weights->add(tensor.name, entry_of(tensor));
      else
        log(LogLevel::kDebug, strf("{}: tensor {} is not used", file->path(), tensor.name));
    } else if (found->second.transform == Transform::kSplit) {
      split(*weights, tensor, found->second.to, starred.number);
    } else {
      const Transform transform = found->second.transform;
      Weights::Entry entry =
          transform == Transform::kSame ? entry_of(tensor) : transposed(*file, tensor);
      if (transform == Transform::kTransposeRkvwg) reorder_rkvwg(entry);
      weights->add(unstar(found->second.to.front(), starred.number), std::move(entry));
    }
  }
  return weights;
}

}  // namespace rwkv
