#include "models/channel_mix.h"

namespace rwkv {

ChannelMix::ChannelMix(const Weights& weights, const Sizes& sizes, PlanBuilder& b)
    : sizes_(sizes), b_(b), n_ffn_(weights.rows("blocks.0.ffn.key.weight")) {
  xk_ = b.value(sizes.n_embd);
  xr_ = b.value(sizes.n_embd);
  r_ = b.value(sizes.n_embd);
  h_ = b.value(n_ffn_);
  b.plan.n_ffn = n_ffn_;
}

void ChannelMix::add_layer(const Layer& layer, StateId shift) {
  const size_t C = sizes_.n_embd, F = n_ffn_;
  const bool maa = layer.has("att.time_maa_x");  // v6; its time mixing has asked for this one
  const std::string mix = maa ? "ffn.time_maa_" : "ffn.time_mix_";
  b_.add(NormShiftMixOp{maa ? NormShiftMixOp::MixOf::kPrevious : NormShiftMixOp::MixOf::kCurrent,
                        layer.layer_norm("ln2", sizes_),
                        b_.plan.x,
                        shift,
                        {layer.vector(mix + "k", C), layer.vector(mix + "r", C)},
                        {xk_, xr_},
                        {},
                        {}});
  b_.add(LinearOp{{{.in = xk_,
                    .weight = layer.matrix("ffn.key.weight", F, C),
                    .out = h_,
                    .act = Act::kRelu2},
                   {.in = xr_,
                    .weight = layer.matrix("ffn.receptance.weight", C, C),
                    .out = r_,
                    .act = Act::kSigmoid}}});
  b_.add(LinearOp{{{.in = h_,
                    .weight = layer.matrix("ffn.value.weight", C, F),
                    .out = b_.plan.x,
                    .gate = r_,
                    .add = true,
                    .sparse = true}}});
}

}  // namespace rwkv
