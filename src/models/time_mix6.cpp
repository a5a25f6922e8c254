// Time mixing of RWKV-6 "Finch", with the changes that rwkv6qwen2 makes to it.
// Formulas: Peng et al. 2024, "Eagle and Finch", section 4.2 (data-dependent token shift and decay).
#include "base/error.h"
#include "models/models.h"

namespace rwkv {

TimeMix6::TimeMix6(const Weights& weights, const Sizes& sizes, PlanBuilder& b, Heads heads,
                   size_t n_head_kv, bool qwen)
    : sizes_(sizes), b_(b), heads_(heads), n_head_kv_(n_head_kv), qwen_(qwen) {
  const size_t C = sizes.n_embd, A = heads.count * heads.size, kv = n_head_kv * heads.size;
  const size_t stacked = weights.rows("blocks.0.att.time_maa_w1");
  if (stacked % 5 != 0)
    throw Error(Code::kShape, "{}: blocks.0.att.time_maa_w1 has {} outputs, expected a multiple of 5",
                weights.file().path(), stacked);
  rank_ = stacked / 5;
  xx_ = b.value(C);
  h_ = b.value(C);
  diff_ = b.value(C);
  z_ = b.value(stacked);
  for (Value& mixed : mixed_) mixed = b.value(C);
  r_ = b.value(A);
  k_ = b.value(kv);
  v_ = b.value(kv);
  g_ = b.value(A);
  dw_ = b.value(weights.rows("blocks.0.att.time_decay_w1"));
  w_ = b.value(A);
  y_ = b.value(A);
}

void TimeMix6::add_layer(const Layer& layer, Norm norm) {
  const size_t C = sizes_.n_embd, A = heads_.count * heads_.size, kv = n_head_kv_ * heads_.size;
  const size_t i = layer.index, decay_rank = b_.plan.value_width[dw_];
  const StateId shift = b_.state_vector("att_shift", i, C);
  const bool ffn_shift = !qwen_;
  if (ffn_shift) b_.state_vector("ffn_shift", i, C);
  const StateId state = b_.state_heads(i, heads_.count, heads_.size,
                                       layer.start_state(heads_.count, heads_.size, true));

  // xx = h + (p - h) maa_x;  z = tanh(w1 xx), five pieces;  x_c = h + (p - h) (maa_c + w2_c z_c)
  b_.add(NormShiftMixOp{NormShiftMixOp::MixOf::kPrevious, std::move(norm), b_.plan.x, shift,
                        {layer.vector("att.time_maa_x", C)}, {xx_}, h_, diff_});
  b_.add(LinearOp{{{.in = xx_,
                    .weight = layer.matrix("att.time_maa_w1", 5 * rank_, C),
                    .out = z_,
                    .act = Act::kTanh}}});
  static constexpr const char* kMaa[] = {"att.time_maa_w", "att.time_maa_k", "att.time_maa_v",
                                         "att.time_maa_r", "att.time_maa_g"};
  LinearOp mixes;
  for (size_t c = 0; c < 5; ++c)
    mixes.parts.push_back({.in = z_,
                           .weight = layer.weights.matrix_of_stack(layer.full("att.time_maa_w2"), c,
                                                                   5, C, rank_),
                           .out = mixed_[c],
                           .in_offset = c * rank_,
                           .bias = layer.vector(kMaa[c], C),
                           .mix_base = h_,
                           .mix_diff = diff_});
  b_.add(std::move(mixes));
  const auto [xw, xk, xv, xr, xg] = mixed_;

  b_.add(LinearOp{{{.in = xr,
                    .weight = layer.matrix("att.receptance.weight", A, C),
                    .out = r_,
                    .bias = layer.optional_vector("att.receptance.bias", A)},
                   {.in = xk,
                    .weight = layer.matrix("att.key.weight", kv, C),
                    .out = k_,
                    .bias = layer.optional_vector("att.key.bias", kv)},
                   {.in = xv,
                    .weight = layer.matrix("att.value.weight", kv, C),
                    .out = v_,
                    .bias = layer.optional_vector("att.value.bias", kv)},
                   {.in = xg,
                    .weight = layer.matrix("att.gate.weight", A, C),
                    .out = g_,
                    .act = qwen_ ? Act::kSigmoid : Act::kSilu},
                   {.in = xw,
                    .weight = layer.matrix("att.time_decay_w1", decay_rank, C),
                    .out = dw_,
                    .act = Act::kTanh}}});
  b_.add(LinearOp{{{.in = dw_,
                    .weight = layer.matrix("att.time_decay_w2", A, decay_rank),
                    .out = w_,
                    .act = Act::kDecay6,
                    .bias = layer.vector("att.time_decay", A)}}});
  Wkv6Op wkv{};
  wkv.form = qwen_ ? Wkv6Op::Form::kGla : Wkv6Op::Form::kBonus;
  wkv.n_head = heads_.count;
  wkv.head_size = heads_.size;
  wkv.n_head_kv = n_head_kv_;
  wkv.r = r_;
  wkv.k = k_;
  wkv.v = v_;
  wkv.out = y_;
  wkv.decay_value = w_;
  if (!qwen_) {
    wkv.u = layer.vector("att.time_faaaa", A);
    wkv.norm = layer.head_norm(sizes_, 64e-5f);
  }
  wkv.gate = g_;
  wkv.state = state;
  b_.add(std::move(wkv));
  b_.add(LinearOp{
      {{.in = y_, .weight = layer.matrix("att.output.weight", C, A), .out = b_.plan.x, .add = true}}});
}

}  // namespace rwkv
