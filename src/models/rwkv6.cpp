// RWKV-6 "Finch". Time mixing: time_mix6.cpp; channel mixing: channel_mix.cpp.
#include "models/channel_mix.h"

namespace rwkv {
namespace {

// GGUF converters for f16 engines divide the outputs of deep layers by powers of two and ask the reader
// to halve x after every R-th layer (metadata rescale_every_n_layers). Both belong together.
size_t rescale_every(const TensorFile& file) {
  int64_t store = 0;
  const int64_t* every = file.meta_int("rwkv6.rescale_every_n_layers", store);
  return every && *every > 0 ? static_cast<size_t>(*every) : 0;
}

}  // namespace

void build_rwkv6(const Weights& weights, const Sizes& sizes, PlanBuilder& b) {
  const Heads heads = heads_of(weights, sizes, "blocks.0.att.time_faaaa");
  const size_t rescale = rescale_every(weights.file());
  b.plan.n_head = heads.count;
  b.plan.head_size = heads.size;
  add_embedding(weights, sizes, Norm::Kind::kLayer, b);
  TimeMix6 time_mix(weights, sizes, b, heads, heads.count, false);
  ChannelMix channel_mix(weights, sizes, b);
  for (size_t i = 0; i < sizes.n_layer; ++i) {
    const Layer layer{weights, i};
    time_mix.add_layer(layer, layer.layer_norm("ln1", sizes));
    channel_mix.add_layer(layer, b.plan.state.find("ffn_shift", i));
    if (rescale && (i + 1) % rescale == 0) b.add(ScaleOp{b.plan.x, 0.5f});
  }
  add_head(weights, sizes, Norm::Kind::kLayer, b);
}

}  // namespace rwkv
