// Model versions: which one a file holds, and its formulas as a plan. To add one: a file here, a row in
// models.cpp.
#pragma once

#include <memory>
#include <string>

#include "models/weights.h"
#include "plan/plan.h"

namespace rwkv {

struct ModelOptions {
  // Group norm epsilon of v5. PyTorch's programs use 64e-5, rwkv.cpp 1e-5.
  float v5_norm_eps = 64e-5f;
};

// What all versions share, read from the tensors (and checked against metadata where a file has it).
struct Sizes {
  size_t n_vocab = 0, n_embd = 0, n_layer = 0;
  size_t n_att = 0;      // rows of att.key: width of time mixing, n_embd in published models
  size_t head_size = 0;  // as metadata says; 0: not said
  float norm_eps = 1e-5f;
  ModelOptions options;
};

struct Model {
  std::string version;             // "v7", "v5.2", "rwkv6qwen2"
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<const Weights> weights;
};

// Names, detects, checks and builds. Errors: kMissing, kShape, kUnsupported, kFormat; one sentence that
// names the file, the tensor and what was expected.
Model build_model(std::shared_ptr<TensorFile> file, const ModelOptions& options);
// The same from weights that have their canonical names already.
Model build_model(std::shared_ptr<Weights> weights, const ModelOptions& options);

// One layer's tensors: names without "blocks.N.".
struct Layer {
  const Weights& weights;
  size_t index;

  std::string full(std::string_view name) const;
  bool has(std::string_view name) const { return weights.has(full(name)); }
  Matrix matrix(std::string_view name, size_t rows, size_t cols) const;
  Vector vector(std::string_view name, size_t n) const;
  Vector optional_vector(std::string_view name, size_t n) const;  // empty when absent
  size_t rows(std::string_view name) const { return weights.rows(full(name)); }
  Norm layer_norm(std::string_view name, const Sizes& sizes) const;  // name.weight, name.bias
  Norm rms_norm(std::string_view name, const Sizes& sizes) const;
  HeadNorm head_norm(const Sizes& sizes, float eps) const;           // att.ln_x
  // att.time_state [H, value, key], or empty; transposed to [H, key, value] for `by_key`.
  Vector start_state(size_t n_head, size_t head_size, bool by_key) const;
};

// H and N from a tensor [H, N] (or [H * N] with the head size in metadata).
struct Heads {
  size_t count, size;
};
Heads heads_of(const Weights& weights, const Sizes& sizes, const std::string& name);
Heads heads_by_size(const Weights& weights, const Sizes& sizes);  // the stated head size, else 64
Heads checked_heads(const Weights& weights, const Sizes& sizes, size_t count, const std::string& why);

// One version each: adds the layers and the head to the plan.
void build_rwkv4(const Weights& weights, const Sizes& sizes, PlanBuilder& b);
void build_rwkv5(const Weights& weights, const Sizes& sizes, PlanBuilder& b);
void build_rwkv6(const Weights& weights, const Sizes& sizes, PlanBuilder& b);
void build_rwkv7(const Weights& weights, const Sizes& sizes, PlanBuilder& b);
void build_rwkv6qwen2(const Weights& weights, const Sizes& sizes, PlanBuilder& b);
void build_arwkv7(const Weights& weights, const Sizes& sizes, PlanBuilder& b);

// Shared steps: x = ln0(emb[token]), with RMS norms x = emb[token]; logits = head * ln_out(x).
void add_embedding(const Weights& weights, const Sizes& sizes, Norm::Kind kind, PlanBuilder& b);
void add_head(const Weights& weights, const Sizes& sizes, Norm::Kind kind, PlanBuilder& b);

// Version 6's and 7's time mixing, which serve the hybrids too: h = norm(x) mixes, x += output.
class TimeMix6 {
 public:
  TimeMix6(const Weights& weights, const Sizes& sizes, PlanBuilder& b, Heads heads, size_t n_head_kv,
           bool qwen);
  void add_layer(const Layer& layer, Norm norm);

 private:
  const Sizes& sizes_;
  PlanBuilder& b_;
  Heads heads_;
  size_t n_head_kv_, rank_;
  bool qwen_;
  Value xx_, h_, diff_, z_, mixed_[5], r_, k_, v_, g_, dw_, w_, y_;
};
class TimeMix7 {
 public:
  // The hybrids' FFN has no token shift, and they may lack the gate, the group norm or both.
  TimeMix7(const Weights& weights, const Sizes& sizes, PlanBuilder& b, Heads heads, bool qwen);
  void add_layer(const Layer& layer, Norm norm);

 private:
  const Sizes& sizes_;
  PlanBuilder& b_;
  Heads heads_;
  bool qwen_, gate_, norm_;
  Value xr_, xw_, xk_, xv_, xa_, xg_, r_, k_, v_, v_first_, w_, a_, g_, v_mix_, y_;
  Value zw_, za_, zv_, zg_;  // inside the low-rank pairs
};

}  // namespace rwkv
