#include "backends/cpu/packed_plan.h"

#include <algorithm>
#include <new>

#include "base/error.h"

namespace rwkv::cpu {
namespace {

struct Packer {
  ThreadPool& pool;
  Arena& arena;
  const PackOptions& options;
  const std::function<void(const Matrix&)>& done;
};

// The input of `part` among those of `op`; parts with the same one share it.
size_t input_of(PackedLinear& op, const PackedLinear::Input& input) {
  const auto found = std::find(op.inputs.begin(), op.inputs.end(), input);
  if (found != op.inputs.end()) return static_cast<size_t>(found - op.inputs.begin());
  op.inputs.push_back(input);
  return op.inputs.size() - 1;
}

PackedOp pack(const EmbedOp& op, const Packer&) {
  PackedEmbed out{&op, {}};
  if (op.norm) out.norm.emplace(*op.norm);
  return out;
}
PackedOp pack(const NormOp& op, const Packer&) {
  return PackedNormOp{&op, PackedNorm(op.norm)};
}
PackedOp pack(const NormShiftMixOp& op, const Packer&) {
  PackedShiftMix out{&op, PackedNorm(op.norm), {}};
  for (const Vector& mix : op.mix) out.mix.emplace_back(mix);
  return out;
}
// By the file's type, not by the values that decide how F32 is packed.
bool rounds_to_bf16(const Matrix& weight, const PackOptions& options) {
  return options.bf16_activations && weight.dtype == DType::kBF16 && weight.cols % 32 == 0;
}
PackedLinear::Form form_of(const LinearPart& part, const PackedMatrix& weight, const PackOptions& options) {
  using Form = PackedLinear::Form;
  if (!weight.takes_blocks()) return rounds_to_bf16(part.weight, options) ? Form::kBF16 : Form::kFloats;
  const bool wide = options.activations == Activations::kByWeights ? weight.prefers_wide() : options.activations == Activations::k16;
  return wide ? Form::kBlocks16 : Form::kBlocks8;
}
PackedOp pack(const LinearOp& op, const Packer& packer) {
  PackedLinear out;
  const PackOptions& options = packer.options;
  for (const LinearPart& part : op.parts) {
    // Matrix units want panels, and bits that depend on the layout are not wanted.
    const bool by_unit = options.sparse && part.sparse && !rounds_to_bf16(part.weight, options);
    const PackOrder order = by_unit ? PackOrder::kByUnit : PackOrder::kPanels;
    out.parts.push_back({&part, PackedMatrix(part.weight, order, packer.pool, packer.arena), PackedVector(part.bias)});
    const PackedMatrix& weight = out.parts.back().weight;
    out.parts.back().input =
        input_of(out, {part.in, part.in_offset, part.weight.cols, form_of(part, weight, options), weight.by_unit()});
    packer.done(part.weight);
  }
  out.make_tiles(packer.pool.size());
  if (out.tiles.size() > ThreadPool::kMaxChunks)
    throw Error(Code::kUnsupported, "{}: {} rows; this program runs matrices of up to {}",
                op.parts.front().weight.name, op.parts.front().weight.rows,
                ThreadPool::kMaxChunks * PackedMatrix::kFewestTilePanels * kLanes);
  return out;
}
PackedOp pack(const Wkv4Op& op, const Packer&) {
  return PackedWkv4{&op, PackedVector(op.decay), PackedVector(op.first)};
}
// The norm's vectors, or two absent ones.
std::pair<PackedVector, PackedVector> pack_norm(const std::optional<HeadNorm>& norm) {
  if (!norm) return {};
  return {PackedVector(norm->weight), PackedVector(norm->bias)};
}
PackedOp pack(const Wkv6Op& op, const Packer&) {
  auto [weight, bias] = pack_norm(op.norm);
  return PackedWkv6{&op, PackedVector(op.decay), PackedVector(op.u), std::move(weight),
                    std::move(bias)};
}
PackedOp pack(const Wkv7Op& op, const Packer&) {
  auto [weight, bias] = pack_norm(op.norm);
  return PackedWkv7{&op, PackedVector(op.k_k), PackedVector(op.k_a), PackedVector(op.r_k),
                    std::move(weight), std::move(bias)};
}
PackedOp pack(const DeepEmbedOp& op, const Packer&) { return PackedDeepEmbed{&op}; }
PackedOp pack(const ScaleOp& op, const Packer&) { return PackedScale{&op}; }

// Whether they are one tile. A slice is one by itself.
bool follows(const PackedLinear::Tile& tile, const PackedLinear::Tile& before, const PackedMatrix& weight) {
  return tile.part == before.part && !weight.by_unit() && before.panels.step == 1 && tile.panels.step == 1 &&
         tile.panels.first == before.panels.first + before.panels.count;
}

}  // namespace

void PackedLinear::make_tiles(size_t n_thread) {
  // Tens of microseconds' work, but enough of them to share: with each one that ends, streams of weights stop and start. As many
  // for each thread, and ends where they are nearest to an even share: who is done first waits.
  constexpr size_t kBytes = 512 << 10, kOfEachThread = 4;
  constexpr size_t kFull = kMostPanels - PackedMatrix::kMostTilePanels;  // panels: another tile may not fit
  size_t total = 0, panels = 0;
  for (const Part& part : parts) {
    total += part.weight.bytes();
    panels += part.weight.n_panel();
  }
  const size_t n_group = round_up(std::max({total / kBytes, panels / kFull + 1, n_thread * kOfEachThread}), n_thread);
  size_t bytes = 0, n_panel = 0, n_end = 0;  // of all before; of the group; of shares that have ended
  tiles.clear();
  grouped.clear();
  groups.assign(1, 0);
  for (size_t p = 0; p < parts.size(); ++p) {
    const PackedMatrix& weight = parts[p].weight;
    for (size_t i = 0; i < weight.n_tile(false); ++i) tiles.push_back({p, weight.tile(false, i)});
    for (size_t i = 0; i < weight.n_tile(true); ++i) {
      const Tile tile{p, weight.tile(true, i)};
      const size_t tile_bytes = weight.bytes() / weight.n_tile(true);
      if (groups.back() < grouped.size() && follows(tile, grouped.back(), weight)) grouped.back().panels.count += tile.panels.count;
      else grouped.push_back(tile);
      bytes += tile_bytes;
      n_panel += tile.panels.count;
      const size_t n = std::min((2 * bytes + tile_bytes) * n_group / (2 * total), n_group - 1);  // the last share ends with the tiles
      if (n == n_end && n_panel <= kFull) continue;
      groups.push_back(grouped.size());
      n_end = n;
      n_panel = 0;
    }
  }
  if (groups.back() < grouped.size()) groups.push_back(grouped.size());
}
void PackedLinear::lay_in_panels(ThreadPool& pool) try {
  size_t most = 0, n_tile = 0;
  for (const Part& part : parts) {
    most = std::max(most, part.weight.slice_bytes());
    n_tile += part.weight.n_panel() / PackedMatrix::kFewestTilePanels + 1;
  }
  std::vector<AlignedBuffer> copies;
  for (size_t i = 0; i < pool.size(); ++i) copies.emplace_back(most);
  tiles.reserve(n_tile);
  grouped.reserve(n_tile);
  groups.reserve(n_tile + 1);
  for (Part& part : parts)
    if (part.weight.by_unit()) part.weight.lay_in_panels(pool, copies);
  for (Input& input : inputs) input.sparse = false;
  make_tiles(pool.size());
} catch (const Error&) {  // before the first change
} catch (const std::bad_alloc&) {
}

std::span<const PackedLinear::Tile> PackedLinear::chunk(bool few_rows, size_t i) const {
  if (!few_rows) return std::span(tiles).subspan(i, 1);
  return std::span(grouped).subspan(groups[i], groups[i + 1] - groups[i]);
}
size_t PackedLinear::sparse_cols() const {
  size_t cols = 0;
  for (const Input& input : inputs) cols += input.sparse ? input.cols : 0;
  return cols;
}
bool PackedLinear::any_floats() const {
  return std::any_of(inputs.begin(), inputs.end(), [](const Input& input) { return input.form == Form::kFloats; });
}
bool PackedLinear::only_floats() const {
  return std::all_of(inputs.begin(), inputs.end(), [](const Input& input) { return input.form == Form::kFloats; });
}

std::vector<PackedOp> pack_ops(std::span<const Op> ops, ThreadPool& pool, Arena& arena, const PackOptions& options,
                               const std::function<void(const Matrix&)>& packed) {
  const Packer packer{pool, arena, options, packed};
  std::vector<PackedOp> out;
  out.reserve(ops.size());
  for (const Op& op : ops)
    out.push_back(std::visit([&](const auto& o) { return pack(o, packer); }, op));
  return out;
}

}  // namespace rwkv::cpu
