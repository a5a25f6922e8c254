// The plan's ops with their weights in kernel layout. One struct an op, as in plan.h.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "backends/cpu/packed.h"

namespace rwkv::cpu {

struct PackedNorm {
  PackedVector weight, bias;
  float eps = 0;
  bool rms = false;
  explicit PackedNorm(const Norm& norm)
      : weight(norm.weight), bias(norm.bias), eps(norm.eps), rms(norm.kind == Norm::Kind::kRms) {}
  NormArgs args(const float* x, size_t n, float* out) const {
    return {x, weight.data(), bias.data(), n, eps, rms, out};
  }
};

struct PackedEmbed {
  const EmbedOp* op;
  std::optional<PackedNorm> norm;
};
struct PackedNormOp {
  const NormOp* op;
  PackedNorm norm;
};
struct PackedShiftMix {
  const NormShiftMixOp* op;
  PackedNorm norm;
  std::vector<PackedVector> mix;
};
struct PackedLinear {
  struct Part {
    const LinearPart* part;
    PackedMatrix weight;
    PackedVector bias;
    size_t input = 0;  // which of `inputs`
  };
  enum class Form : uint8_t { kFloats, kBF16, kBlocks8, kBlocks16 };
  // Columns of a value that some parts read; sparse: for matrices that are stored by unit.
  struct Input {
    Value value;
    size_t offset, cols;
    Form form;
    bool sparse;
    bool blocks() const { return form == Form::kBlocks8 || form == Form::kBlocks16; }
    bool wide() const { return form == Form::kBlocks16; }
    bool operator==(const Input&) const = default;
  };
  struct Tile {
    size_t part;
    PackedMatrix::Tile panels;
  };
  std::vector<Part> parts;
  std::vector<Input> inputs;
  // A piece of work is a tile; with few rows a group of tiles, so that small matrices make no small pieces. Neighbours of
  // a group are one tile then.
  std::vector<Tile> tiles, grouped;
  std::vector<size_t> groups;              // the first of `grouped` in each, and the end
  static constexpr size_t kMostPanels = 16 * PackedMatrix::kMostTilePanels;  // of a group
  size_t n_chunk(bool few_rows) const { return few_rows ? groups.size() - 1 : tiles.size(); }
  std::span<const Tile> chunk(bool few_rows, size_t i) const;
  void make_tiles(size_t n_thread);      // from the parts
  // All parts, as PackedMatrix does; nothing where there is not enough memory.
  void lay_in_panels(ThreadPool& pool);
  size_t sparse_cols() const;  // of all sparse inputs
  bool any_floats() const;     // inputs that are read as they are: some, only those
  bool only_floats() const;
};
struct PackedWkv4 {
  const Wkv4Op* op;
  PackedVector decay, first;
};
struct PackedWkv6 {
  const Wkv6Op* op;
  PackedVector decay, u, norm_weight, norm_bias;
};
struct PackedWkv7 {
  const Wkv7Op* op;
  PackedVector k_k, k_a, r_k, norm_weight, norm_bias;
};
struct PackedDeepEmbed {
  const DeepEmbedOp* op;
};
struct PackedScale {
  const ScaleOp* op;
};
using PackedOp = std::variant<PackedEmbed, PackedNormOp, PackedShiftMix, PackedLinear, PackedWkv4,
                              PackedWkv6, PackedWkv7, PackedDeepEmbed, PackedScale>;

// Bits of quantized activations.
enum class Activations : uint8_t { kByWeights, k8, k16 };

struct PackOptions {
  Activations activations = Activations::kByWeights;
  bool bf16_activations = false;  // CpuOptions
  bool sparse = true;  // matrices whose inputs are mostly zeros are stored by unit, if their type can be
};

// `packed` is called after each matrix, whose bytes in the map are then not needed any more.
std::vector<PackedOp> pack_ops(std::span<const Op> ops, ThreadPool& pool, Arena& arena, const PackOptions& options,
                               const std::function<void(const Matrix&)>& packed);

}  // namespace rwkv::cpu
