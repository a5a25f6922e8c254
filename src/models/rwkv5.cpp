// RWKV-5 "Eagle": 5.0 (no gate), 5.1 (gate, one decay a head), 5.2 (gate, one decay a channel).
// Formulas: Peng et al. 2024, "Eagle and Finch", section 4; reference code: the pip package rwkv.
#include <cmath>

#include "base/error.h"
#include "models/channel_mix.h"

namespace rwkv {
namespace {

// w = exp(-exp(time_decay)) and u, one a channel; 5.0 and 5.1 hold one a head.
Vector per_channel(const Vector& values, Heads heads) {
  Vector out(heads.count * heads.size);
  const size_t step = values.size() == out.size() ? 1 : heads.size;
  for (size_t i = 0; i < out.size(); ++i) out[i] = values[i / step];
  return out;
}

Vector decay_of(const Layer& layer, Heads heads) {
  const size_t n = count_of(layer.weights.at(layer.full("att.time_decay")).shape);
  const bool each_head = n == heads.count;
  Vector w = layer.vector("att.time_decay", each_head ? heads.count : heads.count * heads.size);
  if (!layer.weights.decay_transformed)
    for (float& x : w) x = static_cast<float>(std::exp(-std::exp(static_cast<double>(x))));
  return per_channel(w, heads);
}

// Called time_faaaa the values are u; called time_first they are its logarithm (except where rwkv.cpp's
// converter has applied exp). One value a channel is always u, whatever web-rwkv calls it.
Vector bonus_of(const Layer& layer, Heads heads) {
  const std::string name = layer.has("att.time_faaaa") ? "att.time_faaaa" : "att.time_first";
  if (!layer.has(name))
    throw Error(Code::kMissing, "{}: no tensor {} or {}, which an RWKV v5 model needs",
                layer.weights.file().path(), layer.full("att.time_faaaa"), layer.full(name));
  const size_t n = count_of(layer.weights.at(layer.full(name)).shape);
  const bool plain = name == "att.time_faaaa" || (n != heads.count && heads.size > 1);
  Vector u = layer.vector(name, n == heads.count ? heads.count : heads.count * heads.size);
  if (!plain && !layer.weights.decay_transformed)
    for (float& x : u) x = static_cast<float>(std::exp(static_cast<double>(x)));
  return per_channel(u, heads);
}

Heads heads_of_rwkv5(const Weights& weights, const Sizes& sizes) {
  const std::string name = "blocks.0.att.time_decay";
  Shape shape = weights.at(name).shape;
  while (!shape.empty() && shape.back() == 1) shape.pop_back();
  while (!shape.empty() && shape.front() == 1) shape.erase(shape.begin());
  if (shape.size() == 1 && shape[0] == sizes.n_att) return heads_by_size(weights, sizes);
  return checked_heads(weights, sizes, shape.empty() ? 1 : shape[0], name);
}

}  // namespace

void build_rwkv5(const Weights& weights, const Sizes& sizes, PlanBuilder& b) {
  const size_t C = sizes.n_embd, A = sizes.n_att;
  const Heads heads = heads_of_rwkv5(weights, sizes);
  const bool gated = weights.has("blocks.0.att.gate.weight") || weights.has("blocks.0.att.time_mix_g");
  b.plan.n_head = heads.count;
  b.plan.head_size = heads.size;
  add_embedding(weights, sizes, Norm::Kind::kLayer, b);
  const Value x = b.plan.x;
  const Value xk = b.value(C), xv = b.value(C), xr = b.value(C), xg = b.value(C);
  const Value r = b.value(A), k = b.value(A), v = b.value(A), g = b.value(A), y = b.value(A);
  ChannelMix channel_mix(weights, sizes, b);
  for (size_t i = 0; i < sizes.n_layer; ++i) {
    const Layer layer{weights, i};
    const StateId shift = b.state_vector("att_shift", i, C);
    const StateId ffn_shift = b.state_vector("ffn_shift", i, C);
    const StateId state =
        b.state_heads(i, heads.count, heads.size, layer.start_state(heads.count, heads.size, true));
    NormShiftMixOp mix{NormShiftMixOp::MixOf::kCurrent,
                       layer.layer_norm("ln1", sizes),
                       x,
                       shift,
                       {layer.vector("att.time_mix_k", C), layer.vector("att.time_mix_v", C),
                        layer.vector("att.time_mix_r", C)},
                       {xk, xv, xr},
                       {},
                       {}};
    LinearOp rkv{{{.in = xr, .weight = layer.matrix("att.receptance.weight", A, C), .out = r},
                  {.in = xk, .weight = layer.matrix("att.key.weight", A, C), .out = k},
                  {.in = xv, .weight = layer.matrix("att.value.weight", A, C), .out = v}}};
    if (gated) {
      mix.mix.push_back(layer.vector("att.time_mix_g", C));
      mix.out.push_back(xg);
      rkv.parts.push_back({.in = xg,
                           .weight = layer.matrix("att.gate.weight", A, C),
                           .out = g,
                           .act = Act::kSilu});
    }
    b.add(std::move(mix));
    b.add(std::move(rkv));
    Wkv6Op wkv{};
    wkv.n_head = wkv.n_head_kv = heads.count;
    wkv.head_size = heads.size;
    wkv.r = r;
    wkv.k = k;
    wkv.v = v;
    wkv.out = y;
    wkv.decay = decay_of(layer, heads);
    wkv.u = bonus_of(layer, heads);
    wkv.norm = layer.head_norm(sizes, sizes.options.v5_norm_eps);
    if (gated) wkv.gate = g;
    wkv.state = state;
    b.add(std::move(wkv));
    b.add(LinearOp{
        {{.in = y, .weight = layer.matrix("att.output.weight", C, A), .out = x, .add = true}}});
    channel_mix.add_layer(layer, ffn_shift);
  }
  add_head(weights, sizes, Norm::Kind::kLayer, b);
}

}  // namespace rwkv
