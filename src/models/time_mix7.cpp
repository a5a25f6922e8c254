// Time mixing of RWKV-7 "Goose", with or without gate and group norm (arwkv7 may lack both).
// Formulas: Peng et al. 2025, "RWKV-7 Goose with Expressive Dynamic State Evolution", section 4;
// reference code: BlinkDL/RWKV-LM, RWKV-v7/rwkv_v7_demo.py.
#include "models/models.h"

namespace rwkv {
namespace {

// What a hybrid may lack it lacks in every layer, so a single tensor that is left asks for all.
bool in_any_layer(const Weights& weights, const Sizes& sizes, const char* a, const char* b) {
  for (size_t i = 0; i < sizes.n_layer; ++i)
    if (const Layer layer{weights, i}; layer.has(a) || layer.has(b)) return true;
  return false;
}

}  // namespace

TimeMix7::TimeMix7(const Weights& weights, const Sizes& sizes, PlanBuilder& b, Heads heads, bool qwen)
    : sizes_(sizes),
      b_(b),
      heads_(heads),
      qwen_(qwen),
      gate_(!qwen || in_any_layer(weights, sizes, "att.g1", "att.g2")),
      norm_(!qwen || in_any_layer(weights, sizes, "att.ln_x.weight", "att.ln_x.bias")) {
  const size_t C = sizes.n_embd, A = heads.count * heads.size;
  for (Value* mixed : {&xr_, &xw_, &xk_, &xv_, &xa_, &xg_}) *mixed = b.value(C);
  for (Value* wide : {&r_, &k_, &v_, &v_first_, &w_, &a_, &g_, &v_mix_, &y_}) *wide = b.value(A);
  // The ranks are the tensors' own; layer 0 has no v1 (or one of another rank, never used).
  const auto rank = [&](const char* name, size_t layer) {
    const std::string full = Layer{weights, layer}.full(name);
    return weights.has(full) ? weights.rows(full) : 1;
  };
  zw_ = b.value(rank("att.w1", 0));
  za_ = b.value(rank("att.a1", 0));
  zv_ = b.value(rank("att.v1", 1));
  zg_ = b.value(rank("att.g1", 0));
}

void TimeMix7::add_layer(const Layer& layer, Norm norm) {
  const size_t C = sizes_.n_embd, A = heads_.count * heads_.size, i = layer.index;
  const auto width = [&](Value v) { return b_.plan.value_width[v]; };
  const StateId shift = b_.state_vector("att_shift", i, C);
  if (!qwen_) b_.state_vector("ffn_shift", i, C);
  const StateId state = b_.state_heads(i, heads_.count, heads_.size,
                                       layer.start_state(heads_.count, heads_.size, false));
  const Value v = i == 0 ? v_first_ : v_;

  NormShiftMixOp mix{NormShiftMixOp::MixOf::kPrevious, std::move(norm), b_.plan.x, shift, {}, {}, {}, {}};
  const auto mixed = [&](const char* name, Value out) {
    mix.mix.push_back(layer.vector(name, C));
    mix.out.push_back(out);
  };
  LinearOp first, second;  // r, k, v and the low-rank pairs' first halves; then their second halves
  const auto low_rank = [&](char name, Value in, Act inner, Value z, Act outer, Value out) {
    const std::string stem = std::string("att.") + name;
    first.parts.push_back(
        {.in = in, .weight = layer.matrix(stem + "1", width(z), C), .out = z, .act = inner});
    second.parts.push_back({.in = z,
                            .weight = layer.matrix(stem + "2", A, width(z)),
                            .out = out,
                            .act = outer,
                            .bias = name == 'g' ? Vector() : layer.vector(stem + "0", A)});
  };
  mixed("att.x_r", xr_);
  mixed("att.x_w", xw_);
  mixed("att.x_k", xk_);
  mixed("att.x_v", xv_);
  mixed("att.x_a", xa_);
  first.parts = {{.in = xr_, .weight = layer.matrix("att.receptance.weight", A, C), .out = r_},
                 {.in = xk_, .weight = layer.matrix("att.key.weight", A, C), .out = k_},
                 {.in = xv_, .weight = layer.matrix("att.value.weight", A, C), .out = v}};
  low_rank('w', xw_, Act::kTanh, zw_, Act::kDecay7, w_);
  low_rank('a', xa_, Act::kNone, za_, Act::kSigmoid, a_);
  if (i > 0) low_rank('v', xv_, Act::kNone, zv_, Act::kSigmoid, v_mix_);
  if (gate_) {
    mixed("att.x_g", xg_);
    low_rank('g', xg_, Act::kSigmoid, zg_, Act::kNone, g_);
  }
  b_.add(std::move(mix));
  b_.add(std::move(first));
  b_.add(std::move(second));

  Wkv7Op wkv{};
  wkv.n_head = heads_.count;
  wkv.head_size = heads_.size;
  wkv.r = r_;
  wkv.w = w_;
  wkv.k = k_;
  wkv.v = v;
  wkv.a = a_;
  wkv.out = y_;
  if (i > 0) {
    wkv.v_mix = v_mix_;
    wkv.v_first = v_first_;
  }
  if (gate_) wkv.gate = g_;
  wkv.k_k = layer.vector("att.k_k", A);
  wkv.k_a = layer.vector("att.k_a", A);
  wkv.r_k = layer.vector("att.r_k", A);
  if (norm_) wkv.norm = layer.head_norm(sizes_, 64e-5f);
  wkv.state = state;
  b_.add(std::move(wkv));
  b_.add(LinearOp{
      {{.in = y_, .weight = layer.matrix("att.output.weight", C, A), .out = b_.plan.x, .add = true}}});
}

}  // namespace rwkv
