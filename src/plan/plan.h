// A model as a straight list of coarse ops, built once at load by the version's file in src/models/.
// Ops are contracts without arithmetic: backends/reference/ says in plain loops what each one means.
//
// Every activation is f32 [rows, width], row-major, one row a token. A step holds rows of several
// sequences; "segment" = consecutive tokens of one sequence.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "tensor/dtype.h"

namespace rwkv {

struct Matrix {                      // [rows, cols], row o yields output o; empty when rows == 0
  DType dtype = DType::kF32;
  size_t rows = 0, cols = 0;
  std::span<const std::byte> bytes;  // row-major, lives as long as Plan::weights
  std::string name;                  // canonical, for messages and profiles
};
using Vector = std::vector<float>;   // [width]; empty: absent

using Value = uint32_t;              // an activation, an index into Plan::value_width
using StateId = uint32_t;            // an array of the state, an index into StateLayout::arrays

struct StateArray {                  // one named array of one layer, f32
  std::string name;                  // "att_shift", "ffn_shift", "wkv", "aa", "bb", "pp"
  size_t layer = 0;
  // [C], or a head state [H, N, N]: rows = key index, columns = value index for v5 and v6; rows = value
  // index, columns = key index for v7. This is the canonical order in which snapshots are written.
  size_t n_head = 0, head_size = 0;  // 0: a plain vector
  size_t size = 0;                   // floats
  size_t offset = 0;                 // first float in the canonical state
  float initial = 0;                 // of every element, unless `start` is given
  Vector start;                      // [size] or empty: a state that came with the model
};

struct StateLayout {
  std::vector<StateArray> arrays;    // layer by layer
  size_t size = 0;                   // floats of one whole state
  StateId add(StateArray array);
  StateId find(std::string_view name, size_t layer) const;  // it must be there
};

enum class Act : uint8_t {
  kNone, kTanh, kSigmoid, kSilu,
  kRelu2,   // max(x, 0)^2
  kDecay6,  // exp(-exp(x))
  kDecay7,  // exp(-e^(-1/2) sigmoid(x)), e^(-1/2) rounded to 0.606531 as in every published program
};

struct Norm {
  enum class Kind : uint8_t { kLayer, kRms } kind = Kind::kLayer;
  Vector weight, bias;  // [C]; bias empty for RMS
  float eps = 1e-5f;
};

// out = norm(table[token]); the norm may be absent (hybrids, or already folded into the table).
struct EmbedOp {
  Matrix table;  // [V, C], read row by row from the map
  std::optional<Norm> norm;
  Value out;
};

// out = norm(x)
struct NormOp {
  Norm norm;
  Value x, out;
};

// h = norm(x); p = h of the sequence's previous token (state `shift`, which becomes the last row's h).
// out_i = h + (p - h) * mix_i    with MixOf::kPrevious (v6, v7)
// out_i = h * mix_i + p * (1 - mix_i)   with MixOf::kCurrent (v4, v5)
struct NormShiftMixOp {
  enum class MixOf : uint8_t { kPrevious, kCurrent } mix_of = MixOf::kPrevious;
  Norm norm;
  Value x;
  StateId shift;
  std::vector<Vector> mix;         // each [C]
  std::vector<Value> out;          // as many as mix
  std::optional<Value> h, diff;    // also wanted: h, p - h
};

// One matrix of a linear op: y = act(weight * in[in_offset ...] + bias); then, where given,
// y *= gate;  y = mix_base + mix_diff * y;  and out = y or, with `add`, out += y.
struct LinearPart {
  Value in = 0;
  Matrix weight;                   // [width of out, n]
  Value out = 0;
  Act act = Act::kNone;
  size_t in_offset = 0;            // columns in_offset .. in_offset + n of `in`
  Vector bias = {};
  std::optional<Value> gate = {}, mix_base = {}, mix_diff = {};
  bool add = false;
  bool sparse = false;             // `in` is mostly exact zeros (after relu^2)
};
// Parts do not read what other parts of the same op write.
struct LinearOp {
  std::vector<LinearPart> parts;
};

// Group norm over each head, then weight and bias of all C.
struct HeadNorm {
  Vector weight, bias;  // [C]
  float eps = 64e-5f;
};

// v4, per channel, with running maximum pp (paper "RWKV", appendix; state aa, bb, pp [C] each):
// out = r * (e^(pp-q) aa + e^(first+k-q) v) / (e^(pp-q) bb + e^(first+k-q)), then the state decays.
struct Wkv4Op {
  Value r, k, v, out;
  Vector decay, first;  // [C]: -exp(time_decay), time_first
  StateId aa, bb, pp;
};

// v5, v6 and the gated linear attention of rwkv6qwen2, per head; S [key i][value j]:
//   kBonus: y_j = sum_i r_i (u_i k_i v_j + S_ij); S_ij <- w_i S_ij + k_i v_j
//   kGla:   k_i <- k_i (1 - w_i); S_ij <- w_i S_ij + k_i v_j; y_j = N^(-1/2) sum_i r_i S_ij
// then y <- head_norm(y), out = y * gate.
struct Wkv6Op {
  enum class Form : uint8_t { kBonus, kGla } form = Form::kBonus;
  size_t n_head, head_size;
  size_t n_head_kv;              // k and v have this many heads, each serves n_head / n_head_kv
  Value r, k, v, out;
  std::optional<Value> decay_value;  // per token (v6) ...
  Vector decay;                      // ... or fixed [C] (v5)
  Vector u;                          // [C], kBonus only
  std::optional<HeadNorm> norm;
  std::optional<Value> gate;
  StateId state;
};

// v7, per head; S [value i][key j]:
//   v <- v + (v_first - v) * v_mix      (where v_mix is given)
//   kappa = k * k_k / max(|k * k_k|, 1e-12);  k <- k * (1 + (a - 1) * k_a)
//   S_ij <- S_ij w_j - (sum_m S_im kappa_m) kappa_j a_j + v_i k_j;  y_i = sum_j S_ij r_j
//   y <- head_norm(y) + (sum_j r_j k_j r_k[j]) v;  out = y * gate
struct Wkv7Op {
  size_t n_head, head_size;
  Value r, w, k, v, a, out;
  std::optional<Value> v_mix, v_first, gate;
  Vector k_k, k_a, r_k;  // [C]
  std::optional<HeadNorm> norm;
  StateId state;
};

// v7a: out_m = sum_i low_i E[i, m], E = reshape(embed, [R, R]).
struct DeepEmbedOp {
  Value low, embed, out;  // [R], [R * R], [R]
};

// x *= factor
struct ScaleOp {
  Value x;
  float factor;
};

using Op = std::variant<EmbedOp, NormOp, NormShiftMixOp, LinearOp, Wkv4Op, Wkv6Op, Wkv7Op, DeepEmbedOp,
                        ScaleOp>;
std::string_view op_name(const Op& op) noexcept;  // "linear", "wkv7" ...

struct Plan {
  size_t n_layer = 0, n_embd = 0, n_ffn = 0, n_vocab = 0, n_head = 0, head_size = 0;
  std::vector<size_t> value_width;
  std::vector<Op> body;  // all rows
  std::vector<Op> head;  // only the rows whose logits are wanted: x -> logits
  Value x = 0, logits = 0;
  StateLayout state;
  std::shared_ptr<const void> weights;  // keeps the tensors alive that the matrices look at
};

class PlanBuilder {
 public:
  Value value(size_t width) {
    plan.value_width.push_back(width);
    return static_cast<Value>(plan.value_width.size() - 1);
  }
  void add(Op op) { plan.body.push_back(std::move(op)); }
  StateId state_vector(std::string name, size_t layer, size_t size, float initial = 0);
  StateId state_heads(size_t layer, size_t n_head, size_t head_size, Vector start = {});

  Plan plan;
};

}  // namespace rwkv
