// RWKV-4 "Dove". Formulas: Peng et al. 2023, "RWKV: Reinventing RNNs for the Transformer Era", section 3
// and appendix D (the numerically safe recurrence); reference code: BlinkDL/ChatRWKV, RWKV_in_150_lines.py.
#include <cmath>

#include "models/channel_mix.h"

namespace rwkv {

void build_rwkv4(const Weights& weights, const Sizes& sizes, PlanBuilder& b) {
  const size_t C = sizes.n_embd, A = sizes.n_att;
  add_embedding(weights, sizes, Norm::Kind::kLayer, b);
  const Value x = b.plan.x;
  const Value xk = b.value(C), xv = b.value(C), xr = b.value(C);
  const Value r = b.value(A), k = b.value(A), v = b.value(A), y = b.value(A);
  ChannelMix channel_mix(weights, sizes, b);
  for (size_t i = 0; i < sizes.n_layer; ++i) {
    const Layer layer{weights, i};
    const StateId shift = b.state_vector("att_shift", i, C);
    const StateId ffn_shift = b.state_vector("ffn_shift", i, C);
    const StateId aa = b.state_vector("aa", i, A), bb = b.state_vector("bb", i, A);
    const StateId pp = b.state_vector("pp", i, A, -1e30f);  // log of nothing
    b.add(NormShiftMixOp{NormShiftMixOp::MixOf::kCurrent,
                         layer.layer_norm("ln1", sizes),
                         x,
                         shift,
                         {layer.vector("att.time_mix_k", C), layer.vector("att.time_mix_v", C),
                          layer.vector("att.time_mix_r", C)},
                         {xk, xv, xr},
                         {},
                         {}});
    b.add(LinearOp{{{.in = xr,
                     .weight = layer.matrix("att.receptance.weight", A, C),
                     .out = r,
                     .act = Act::kSigmoid},
                    {.in = xk, .weight = layer.matrix("att.key.weight", A, C), .out = k},
                    {.in = xv, .weight = layer.matrix("att.value.weight", A, C), .out = v}}});
    Vector decay = layer.vector("att.time_decay", A);
    if (!weights.decay_transformed)
      for (float& w : decay) w = static_cast<float>(-std::exp(static_cast<double>(w)));
    b.add(Wkv4Op{r, k, v, y, std::move(decay), layer.vector("att.time_first", A), aa, bb, pp});
    b.add(LinearOp{
        {{.in = y, .weight = layer.matrix("att.output.weight", C, A), .out = x, .add = true}}});
    channel_mix.add_layer(layer, ffn_shift);
  }
  add_head(weights, sizes, Norm::Kind::kLayer, b);
}

}  // namespace rwkv
