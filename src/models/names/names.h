// Naming schemes: what each family of files calls the tensors, as tables of
//   pattern in the file -> canonical name, and what must happen to the tensor.
// "*" stands for a layer's number; "{a,b}" for alternatives, which both sides list in the same order.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/weights.h"

namespace rwkv {

enum class Transform : uint8_t {
  kSame,
  kTranspose,  // swap the last two axes (low-rank factors that lie in x out)
  kSplit,      // rows of one tensor -> one vector per alternative of the canonical name
  kTransposeRkvwg,  // kTranspose, and five stacked pieces from the order r k v w g to w k v r g
};

struct NameRow {
  std::string_view from, to;
  Transform transform = Transform::kSame;
};

// Reading, every row counts; writing, the first row that has a canonical name on its right.
struct NameScheme {
  std::string_view name;
  bool (*matches)(const TensorFile& file);
  std::span<const NameRow> rows;
  bool pass_others = false;  // a tensor without a row keeps its name (the scheme is BlinkDL's but for rows)
  bool decay_transformed = false;
  bool ln0_folded = false;
};

std::span<const NameScheme> checkpoint_schemes();  // .pth, safetensors, .bin, Hugging Face
std::span<const NameScheme> gguf_schemes();

// Chooses the scheme and renames. Tensors that no row knows are left out (and logged).
// Error{kUnsupported} when no scheme fits.
std::shared_ptr<Weights> canonical_weights(std::shared_ptr<TensorFile> file);

// The other way round: what a file under `scheme` holds for these canonical names.
struct WrittenTensor {
  std::string name;               // in the file
  std::vector<std::string> from;  // canonical names; several are stacked in this order
  Transform transform = Transform::kSame;  // as reading applies it: writing undoes it
};
// Embedding first, layers by number, head last. Error{kUnsupported} naming `source` and a tensor that the
// scheme has no name for.
std::vector<WrittenTensor> written_tensors(const std::vector<std::string>& canonical, const NameScheme& scheme,
                                           const std::string& source);
// A row of the tables above by its name, "GGUF rwkv7" or "BlinkDL"; it must be there.
const NameScheme& scheme_named(std::string_view name);

// The name of a canonical tensor in a GGUF file of that version ("v7", "v5.2", "rwkv6qwen2" ...); empty when it
// has none of its own (vectors that lie fused, DeepEmbed's).
std::string gguf_name(std::string_view version, std::string_view canonical);

}  // namespace rwkv
