// What the versions' files share.
#include "base/error.h"
#include "models/models.h"

namespace rwkv {

std::string Layer::full(std::string_view name) const {
  return "blocks." + std::to_string(index) + "." + std::string(name);
}
Matrix Layer::matrix(std::string_view name, size_t rows, size_t cols) const {
  return weights.matrix(full(name), rows, cols);
}
Vector Layer::vector(std::string_view name, size_t n) const { return weights.vector(full(name), n); }
Vector Layer::optional_vector(std::string_view name, size_t n) const {
  return has(name) ? vector(name, n) : Vector();
}
Norm Layer::layer_norm(std::string_view name, const Sizes& sizes) const {
  const std::string stem(name);
  return {Norm::Kind::kLayer, vector(stem + ".weight", sizes.n_embd),
          vector(stem + ".bias", sizes.n_embd), sizes.norm_eps};
}
Norm Layer::rms_norm(std::string_view name, const Sizes& sizes) const {
  return {Norm::Kind::kRms, vector(std::string(name) + ".weight", sizes.n_embd), {}, sizes.norm_eps};
}
HeadNorm Layer::head_norm(const Sizes& sizes, float eps) const {
  return {vector("att.ln_x.weight", sizes.n_att), vector("att.ln_x.bias", sizes.n_att), eps};
}

Vector Layer::start_state(size_t n_head, size_t head_size, bool by_key) const {
  const size_t n = head_size;
  Vector state = optional_vector("att.time_state", n_head * n * n);
  if (state.empty() || !by_key) return state;
  Vector out(state.size());
  for (size_t h = 0; h < n_head; ++h)
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) out[(h * n + j) * n + i] = state[(h * n + i) * n + j];
  return out;
}

Heads checked_heads(const Weights& weights, const Sizes& sizes, size_t count, const std::string& why) {
  if (count == 0 || sizes.n_att % count != 0 || sizes.n_att / count > 1024)
    throw Error(Code::kShape, "{}: {} gives {} heads, which do not divide the {} outputs of att.key into "
                "heads of 1 to 1024", weights.file().path(), why, count, sizes.n_att);
  if (sizes.head_size && sizes.n_att / count != sizes.head_size)
    throw Error(Code::kShape, "{}: {} gives heads of {}, but the head size is said to be {}",
                weights.file().path(), why, sizes.n_att / count, sizes.head_size);
  return {count, sizes.n_att / count};
}

Heads heads_by_size(const Weights& weights, const Sizes& sizes) {
  if (sizes.head_size == 0 && weights.file().format() == "gguf")  // its tensors are flat
    throw Error(Code::kMissing, "{}: no key {}.wkv.head_size, and the tensors do not tell", weights.file().path(),
                *weights.file().meta_string("general.architecture"));
  const size_t size = sizes.head_size ? sizes.head_size : 64;
  if (sizes.n_att % size != 0)
    throw Error(Code::kShape, "{}: head size {} does not divide the {} channels of time mixing",
                weights.file().path(), size, sizes.n_att);
  return checked_heads(weights, sizes, sizes.n_att / size, strf("head size {}", size));
}

Heads heads_of(const Weights& weights, const Sizes& sizes, const std::string& name) {
  const Weights::Entry& entry = weights.at(name);
  Shape shape = entry.shape;
  while (shape.size() > 2 && shape.back() == 1) shape.pop_back();  // rwkv.cpp: [H, N, 1]
  if (shape.size() == 2 && shape[0] * shape[1] == sizes.n_att)
    return checked_heads(weights, sizes, shape[0], name);
  return heads_by_size(weights, sizes);
}

void add_embedding(const Weights& weights, const Sizes& sizes, Norm::Kind kind, PlanBuilder& b) {
  b.plan.x = b.value(sizes.n_embd);
  EmbedOp embed{weights.matrix("emb.weight", sizes.n_vocab, sizes.n_embd), std::nullopt, b.plan.x};
  if (kind == Norm::Kind::kLayer && !weights.ln0_folded)
    embed.norm = Layer{weights, 0}.layer_norm("ln0", sizes);
  b.add(std::move(embed));
}

void add_head(const Weights& weights, const Sizes& sizes, Norm::Kind kind, PlanBuilder& b) {
  const Value h = b.value(sizes.n_embd);
  b.plan.logits = b.value(sizes.n_vocab);
  Norm norm{kind, weights.vector("ln_out.weight", sizes.n_embd), {}, sizes.norm_eps};
  if (kind == Norm::Kind::kLayer) norm.bias = weights.vector("ln_out.bias", sizes.n_embd);
  b.plan.head.push_back(NormOp{std::move(norm), b.plan.x, h});
  // Qwen2's small models have no head of their own: the embedding serves (tied weights).
  const bool tied = kind == Norm::Kind::kRms && !weights.has("head.weight");
  const char* name = tied ? "emb.weight" : "head.weight";
  b.plan.head.push_back(LinearOp{
      {{.in = h, .weight = weights.matrix(name, sizes.n_vocab, sizes.n_embd), .out = b.plan.logits}}});
}

}  // namespace rwkv
