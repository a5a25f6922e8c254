// The channel mixing of v4, v5 and v6: out = sigmoid(W_r xr) * W_v relu(W_k xk)^2.
#pragma once

#include "models/models.h"

namespace rwkv {

class ChannelMix {
 public:
  ChannelMix(const Weights& weights, const Sizes& sizes, PlanBuilder& b);
  // The mixes are time_mix_* (of the current token, v4 and v5) or time_maa_* (of the previous, v6).
  void add_layer(const Layer& layer, StateId shift);

 private:
  const Sizes& sizes_;
  PlanBuilder& b_;
  size_t n_ffn_;
  Value xk_, xr_, r_, h_;
};

}  // namespace rwkv
