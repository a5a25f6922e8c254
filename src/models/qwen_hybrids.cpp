// rwkv6qwen2 (QRWKV6) and arwkv7 (ARWKV): the time mixing of RWKV-6 and RWKV-7 inside Qwen2's frame: RMS
// norms, no ln0, and a SwiGLU feed-forward without token shift. Formulas: docs/models/hybrids.md.
#include "base/error.h"
#include "models/models.h"

namespace rwkv {
namespace {

// x += W_down (silu(W_gate h) * (W_up h)), h = rms_norm(x)
class SwiGlu {
 public:
  SwiGlu(const Weights& weights, const Sizes& sizes, PlanBuilder& b)
      : sizes_(sizes), b_(b), n_ffn_(weights.rows("blocks.0.ffn.up.weight")) {
    b.plan.n_ffn = n_ffn_;
    h_ = b.value(sizes.n_embd);
    gate_ = b.value(n_ffn_);
    up_ = b.value(n_ffn_);
  }
  void add_layer(const Layer& layer) {
    const size_t C = sizes_.n_embd;
    b_.add(NormOp{layer.rms_norm("ln2", sizes_), b_.plan.x, h_});
    b_.add(LinearOp{{{.in = h_,
                      .weight = layer.matrix("ffn.gate.weight", n_ffn_, C),
                      .out = gate_,
                      .act = Act::kSilu}}});
    b_.add(LinearOp{{{.in = h_,
                      .weight = layer.matrix("ffn.up.weight", n_ffn_, C),
                      .out = up_,
                      .gate = gate_}}});
    b_.add(LinearOp{{{.in = up_,
                      .weight = layer.matrix("ffn.down.weight", C, n_ffn_),
                      .out = b_.plan.x,
                      .add = true}}});
  }

 private:
  const Sizes& sizes_;
  PlanBuilder& b_;
  size_t n_ffn_;
  Value h_, gate_, up_;
};

}  // namespace

void build_rwkv6qwen2(const Weights& weights, const Sizes& sizes, PlanBuilder& b) {
  // Keys and values may have fewer heads, so the width of time mixing is that of the receptance.
  Sizes wide = sizes;
  wide.n_att = weights.rows("blocks.0.att.receptance.weight");
  const Heads heads = heads_by_size(weights, wide);
  const size_t n_kv = weights.rows("blocks.0.att.key.weight") / heads.size;
  if (n_kv == 0 || heads.count % n_kv != 0)
    throw Error(Code::kShape, "{}: {} heads of keys for {} heads", weights.file().path(), n_kv, heads.count);
  b.plan.n_head = heads.count;
  b.plan.head_size = heads.size;
  add_embedding(weights, wide, Norm::Kind::kRms, b);
  TimeMix6 time_mix(weights, wide, b, heads, n_kv, true);
  SwiGlu ffn(weights, wide, b);
  for (size_t i = 0; i < sizes.n_layer; ++i) {
    const Layer layer{weights, i};
    time_mix.add_layer(layer, layer.rms_norm("ln1", wide));
    ffn.add_layer(layer);
  }
  add_head(weights, wide, Norm::Kind::kRms, b);
}

void build_arwkv7(const Weights& weights, const Sizes& sizes, PlanBuilder& b) {
  const Heads heads = heads_of(weights, sizes, "blocks.0.att.r_k");
  b.plan.n_head = heads.count;
  b.plan.head_size = heads.size;
  add_embedding(weights, sizes, Norm::Kind::kRms, b);
  TimeMix7 time_mix(weights, sizes, b, heads, true);
  SwiGlu ffn(weights, sizes, b);
  for (size_t i = 0; i < sizes.n_layer; ++i) {
    const Layer layer{weights, i};
    time_mix.add_layer(layer, layer.rms_norm("ln1", sizes));
    ffn.add_layer(layer);
  }
  add_head(weights, sizes, Norm::Kind::kRms, b);
}

}  // namespace rwkv
