#include "backends/cpu/packed_plan.h"

#include <algorithm>

namespace rwkv::cpu {
namespace {

using Done = std::function<void(const Matrix&, bool)>;

PackedOp pack(const EmbedOp& op, ThreadPool&, const Done&) {
  PackedEmbed out{&op, {}};
  if (op.norm) out.norm.emplace(*op.norm);
  return out;
}
PackedOp pack(const NormOp& op, ThreadPool&, const Done&) {
  return PackedNormOp{&op, PackedNorm(op.norm)};
}
PackedOp pack(const NormShiftMixOp& op, ThreadPool&, const Done&) {
  PackedShiftMix out{&op, PackedNorm(op.norm), {}};
  for (const Vector& mix : op.mix) out.mix.emplace_back(mix);
  return out;
}
PackedOp pack(const LinearOp& op, ThreadPool& pool, const Done& done) {
  PackedLinear out;
  for (const LinearPart& part : op.parts) {
    out.parts.push_back({&part, PackedMatrix(part.weight, pool), PackedVector(part.bias)});
    const PackedMatrix& weight = out.parts.back().weight;
    for (size_t first = 0; first < weight.n_panel(); first += kChunkPanels)
      out.chunks.push_back(
          {out.parts.size() - 1, first, std::min(kChunkPanels, weight.n_panel() - first)});
    done(part.weight, !weight.is_packed());
  }
  return out;
}
PackedOp pack(const Wkv4Op& op, ThreadPool&, const Done&) {
  return PackedWkv4{&op, PackedVector(op.decay), PackedVector(op.first)};
}
// The norm's vectors, or two absent ones.
std::pair<PackedVector, PackedVector> pack_norm(const std::optional<HeadNorm>& norm) {
  if (!norm) return {};
  return {PackedVector(norm->weight), PackedVector(norm->bias)};
}
PackedOp pack(const Wkv6Op& op, ThreadPool&, const Done&) {
  auto [weight, bias] = pack_norm(op.norm);
  return PackedWkv6{&op, PackedVector(op.decay), PackedVector(op.u), std::move(weight),
                    std::move(bias)};
}
PackedOp pack(const Wkv7Op& op, ThreadPool&, const Done&) {
  auto [weight, bias] = pack_norm(op.norm);
  return PackedWkv7{&op, PackedVector(op.k_k), PackedVector(op.k_a), PackedVector(op.r_k),
                    std::move(weight), std::move(bias)};
}
PackedOp pack(const DeepEmbedOp& op, ThreadPool&, const Done&) { return PackedDeepEmbed{&op}; }
PackedOp pack(const ScaleOp& op, ThreadPool&, const Done&) { return PackedScale{&op}; }

}  // namespace

std::vector<PackedOp> pack_ops(std::span<const Op> ops, ThreadPool& pool, const Done& packed) {
  std::vector<PackedOp> out;
  out.reserve(ops.size());
  for (const Op& op : ops)
    out.push_back(std::visit([&](const auto& o) { return pack(o, pool, packed); }, op));
  return out;
}

}  // namespace rwkv::cpu
