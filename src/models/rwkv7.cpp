// RWKV-7 "Goose", and 7a, which adds DeepEmbed to its channel mixing. Time mixing: time_mix7.cpp.
#include <cmath>

#include "base/error.h"
#include "models/models.h"

namespace rwkv {
namespace {

// v7: x += W_v relu(W_k xk)^2.
// v7a: before W_v the hidden units are multiplied by (t s2 + s0), t = (h s1) reshape(E[token]), with
// E = s_emb + s_emb_x x0 and x0 the embedding after ln0. E's rows are looked up, never loaded whole.
class ChannelMix7 {
 public:
  ChannelMix7(const Weights& weights, const Sizes& sizes, PlanBuilder& b)
      : sizes_(sizes), b_(b), n_ffn_(weights.rows("blocks.0.ffn.key.weight")) {
    b.plan.n_ffn = n_ffn_;
    xk_ = b.value(sizes.n_embd);
    h_ = b.value(n_ffn_);
    if (!weights.has("blocks.0.ffn.s_emb.weight") && !weights.has("blocks.0.ffn.s1")) return;
    rank_ = weights.rows("blocks.0.ffn.s1");
    if (weights.cols("blocks.0.ffn.s_emb.weight") != rank_ * rank_)
      throw Error(Code::kShape, "{}: blocks.0.ffn.s_emb.weight has rows of {}, expected {} squared",
                  weights.file().path(), weights.cols("blocks.0.ffn.s_emb.weight"), rank_);
    hidden_ = b.value(sizes.n_embd);
    x0_ = b.value(sizes.n_embd);
    low_ = b.value(rank_);
    t_ = b.value(rank_);
    embed_ = b.value(rank_ * rank_);
    EmbedOp start = std::get<EmbedOp>(b.plan.body.front());
    start.out = x0_;
    b.add(std::move(start));
  }

  void add_layer(const Layer& layer, StateId shift) {
    const size_t C = sizes_.n_embd;
    NormShiftMixOp mix{NormShiftMixOp::MixOf::kPrevious, layer.layer_norm("ln2", sizes_), b_.plan.x,
                       shift, {layer.vector("ffn.x_k", C)}, {xk_}, {}, {}};
    if (rank_) mix.h = hidden_;
    b_.add(std::move(mix));
    LinearOp key{{{.in = xk_,
                   .weight = layer.matrix("ffn.key.weight", n_ffn_, C),
                   .out = h_,
                   .act = Act::kRelu2}}};
    if (rank_) {
      b_.add(EmbedOp{layer.matrix("ffn.s_emb.weight", sizes_.n_vocab, rank_ * rank_), {}, embed_});
      key.parts.push_back(
          {.in = hidden_, .weight = layer.matrix("ffn.s1", rank_, C), .out = low_});
      key.parts.push_back({.in = x0_,
                           .weight = layer.matrix("ffn.s_emb_x.weight", rank_ * rank_, C),
                           .out = embed_,
                           .add = true});
    }
    b_.add(std::move(key));
    if (rank_) {
      b_.add(DeepEmbedOp{low_, embed_, t_});
      b_.add(LinearOp{{{.in = t_,
                        .weight = layer.matrix("ffn.s2", n_ffn_, rank_),
                        .out = h_,
                        .bias = layer.vector("ffn.s0", n_ffn_),
                        .gate = h_}}});
    }
    b_.add(LinearOp{{{.in = h_,
                      .weight = layer.matrix("ffn.value.weight", C, n_ffn_),
                      .out = b_.plan.x,
                      .add = true,
                      .sparse = true}}});
  }

 private:
  const Sizes& sizes_;
  PlanBuilder& b_;
  size_t n_ffn_, rank_ = 0;
  Value xk_, h_, hidden_ = 0, x0_ = 0, low_ = 0, t_ = 0, embed_ = 0;
};

}  // namespace

void build_rwkv7(const Weights& weights, const Sizes& sizes, PlanBuilder& b) {
  const Heads heads = heads_of(weights, sizes, "blocks.0.att.r_k");
  b.plan.n_head = heads.count;
  b.plan.head_size = heads.size;
  add_embedding(weights, sizes, Norm::Kind::kLayer, b);
  TimeMix7 time_mix(weights, sizes, b, heads, false);
  ChannelMix7 channel_mix(weights, sizes, b);
  for (size_t i = 0; i < sizes.n_layer; ++i) {
    const Layer layer{weights, i};
    time_mix.add_layer(layer, layer.layer_norm("ln1", sizes));
    channel_mix.add_layer(layer, b.plan.state.find("ffn_shift", i));
  }
  add_head(weights, sizes, Norm::Kind::kLayer, b);
}

}  // namespace rwkv
