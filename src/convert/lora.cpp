#include "convert/lora.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "formats/formats.h"

namespace rwkv {
namespace {

struct Factor {
  Shape shape;
  std::vector<float> values;
};

class LowRankPatch final : public RowPatch {
 public:
  // A [r, in], B [out, r]
  LowRankPatch(Factor a, Factor b, float scale)
      : a_(std::move(a)), b_(std::move(b)), scale_(scale) {}
  void apply(size_t first_row, size_t n_row, std::span<float> values) const override {
    const size_t rank = a_.shape[0], cols = a_.shape[1];
    for (size_t row = 0; row < n_row; ++row) {
      float* const w = values.data() + row * cols;
      for (size_t k = 0; k < rank; ++k) {
        const float factor = scale_ * b_.values[(first_row + row) * rank + k];
        const float* const a = a_.values.data() + k * cols;
        for (size_t c = 0; c < cols; ++c) w[c] += factor * a[c];
      }
    }
  }

 private:
  Factor a_, b_;
  float scale_;
};

// M [r, out]: one row of every column block, the same for all; a last block may be cut.
class DishaPatch final : public RowPatch {
 public:
  DishaPatch(Factor m, float scale) : m_(std::move(m)), scale_(scale) {}
  void apply(size_t first_row, size_t n_row, std::span<float> values) const override {
    const size_t rank = m_.shape[0], out = m_.shape[1], cols = values.size() / n_row;
    for (size_t row = 0; row < n_row; ++row)
      for (size_t c = 0; c < cols; ++c)
        values[row * cols + c] += scale_ * m_.values[c % rank * out + first_row + row];
  }

 private:
  Factor m_;
  float scale_;
};

// M [blocks, r, r]: w + w M_b + M_b for every r x r block of W; a row needs only itself.
class BonePatch final : public RowPatch {
 public:
  BonePatch(Factor m, float scale) : m_(std::move(m)), scale_(scale) {}
  void apply(size_t first_row, size_t n_row, std::span<float> values) const override {
    const size_t n_block = m_.shape[0], rank = m_.shape[1], cols = n_block * rank;
    std::vector<float> change(rank);
    for (size_t row = 0; row < n_row; ++row)
      for (size_t b = 0; b < n_block; ++b) {
        float* const w = values.data() + row * cols + b * rank;
        const float* const m = m_.values.data() + b * rank * rank;
        for (size_t j = 0; j < rank; ++j) change[j] = m[(first_row + row) % rank * rank + j];
        for (size_t k = 0; k < rank; ++k)
          for (size_t j = 0; j < rank; ++j) change[j] += w[k] * m[k * rank + j];
        for (size_t j = 0; j < rank; ++j) w[j] += scale_ * change[j];
      }
  }

 private:
  Factor m_;
  float scale_;
};

class AddPatch final : public RowPatch {  // a whole matrix
 public:
  AddPatch(Factor m, float scale) : m_(std::move(m)), scale_(scale) {}
  void apply(size_t first_row, size_t n_row, std::span<float> values) const override {
    const float* const m = m_.values.data() + first_row * (values.size() / n_row);
    for (size_t i = 0; i < values.size(); ++i) values[i] += scale_ * m[i];
  }

 private:
  Factor m_;
  float scale_;
};

class PatchList final : public RowPatch {
 public:
  void add(std::unique_ptr<RowPatch> patch) { list_.push_back(std::move(patch)); }
  void apply(size_t first_row, size_t n_row, std::span<float> values) const override {
    for (const auto& patch : list_) patch->apply(first_row, n_row, values);
  }

 private:
  std::vector<std::unique_ptr<RowPatch>> list_;
};

// For weights that the file holds divided.
class DividedPatch final : public RowPatch {
 public:
  DividedPatch(std::unique_ptr<RowPatch> patch, float divisor) : patch_(std::move(patch)), divisor_(divisor) {}
  void apply(size_t first_row, size_t n_row, std::span<float> values) const override {
    for (float& x : values) x *= divisor_;  // a power of 2: exact, both ways
    patch_->apply(first_row, n_row, values);
    for (float& x : values) x /= divisor_;
  }

 private:
  std::unique_ptr<RowPatch> patch_;
  float divisor_;
};

struct NamedAdapter {
  std::string path;
  float scale = 1;
  bool scale_given = false;
};
// "FILE:0.5"; a path may hold colons, so the part behind the last one must be a number.
NamedAdapter split_scale(const std::string& text) {
  const size_t colon = text.rfind(':');
  float scale = 0;
  if (colon != std::string::npos && colon > 0 && !std::filesystem::exists(text)) {
    const char* const end = text.data() + text.size();
    const auto result = std::from_chars(text.data() + colon + 1, end, scale);
    if (result.ec == std::errc() && result.ptr == end) {
      if (!std::isfinite(scale)) throw Error(Code::kArgument, "{}: the scale is {}, expected a number", text, scale);
      return {text.substr(0, colon), scale, true};
    }
  }
  return {text, 1, false};
}

Shape without_ones(Shape shape) {
  std::erase(shape, 1);
  return shape;
}
bool is_first_value_mix(std::string_view name) {
  return name == "blocks.0.att.v0" || name == "blocks.0.att.v1" || name == "blocks.0.att.v2";
}

bool take_suffix(std::string& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.resize(name.size() - suffix.size());
  return true;
}

class LoraFile {
 public:
  LoraFile(Weights& weights, const NamedAdapter& named)
      : weights_(weights), named_(named), file_(open_tensor_file(named.path)) {
    for (const Tensor& t : file_->tensors()) web_ |= t.name.find(".lora.0") != std::string::npos;
  }

  void read(std::map<std::string, std::unique_ptr<RowPatch>>& patches) {
    std::map<std::string, Factor> a, b, start_a, start_b, blocks;
    for (const Tensor& t : file_->tensors()) {
      std::string name = plain_name(t.name);
      if (!is_weight_type(t.dtype)) {
        if (name.find(".lora") != std::string::npos && !name.ends_with(".lora_alpha"))
          throw Error(Code::kUnsupported, "{}: tensor {} is of type {}, expected floats", named_.path, t.name,
                      info(t.dtype).name);
        continue;
      }
      if (take_suffix(name, ".init_lora_A"))
        start_a.emplace(name, decoded(t));
      else if (take_suffix(name, ".init_lora_B"))
        start_b.emplace(name, decoded(t));
      else if (take_suffix(name, ".lora_A"))
        a.emplace(name, decoded(t));
      else if (take_suffix(name, ".lora.0"))
        a.emplace(name, transposed(decoded(t)));
      else if (take_suffix(name, ".lora_B") || take_suffix(name, ".lora.1"))
        b.emplace(name, decoded(t));
      else if (take_suffix(name, ".disha") || take_suffix(name, ".bone"))
        blocks.emplace(name, decoded(t));
      else if (name.ends_with(".lora_alpha") || name.ends_with(".num_batches_tracked"))
        continue;
      else
        replace(patches, name, t);
    }
    // After all that takes a whole weight's place.
    for (auto& [name, m] : blocks) add(patches, name, block_patch(name, std::move(m)));
    pairs(patches, a, b, named_.scale);
    pairs(patches, start_a, start_b, -1);
    has_pairs_ = !a.empty();
  }
  bool has_pairs() const { return has_pairs_; }

 private:
  // Trainers put "model." or "base_model.model." before, PEFT ".default" and ".weight" behind the
  // factors.
  std::string plain_name(std::string name) const {
    for (const std::string_view prefix : {"base_model.", "model.", "module."})
      if (name.rfind(prefix, 0) == 0) name.erase(0, prefix.size());
    if (name.find(".lora_") != std::string::npos || name.find(".init_lora_") != std::string::npos) {
      take_suffix(name, ".weight");
      take_suffix(name, ".default");
    }
    if (web_ && weights_.has("blocks.0.att.time_maa_x")) {
      if (const size_t mix = name.find(".time_mix_"); mix != std::string::npos)
        name.replace(mix, 10, ".time_maa_");
      if (name.ends_with(".time_first")) name.replace(name.size() - 5, 5, "faaaa");
    }
    return name;
  }

  static Factor decoded(const Tensor& t) {
    Factor out{t.shape, std::vector<float>(count_of(t.shape))};
    info(t.dtype).decode(t.bytes.data(), out.values.size() / info(t.dtype).block_values,
                         out.values.data());
    return out;
  }
  // The last two axes.
  Factor transposed(const Factor& in) const {
    if (in.shape.size() < 2) return in;
    Factor out = in;
    const size_t rows = in.shape[in.shape.size() - 2], cols = in.shape.back();
    std::swap(out.shape[in.shape.size() - 2], out.shape.back());
    for (size_t at = 0; at < in.values.size(); at += rows * cols)
      for (size_t r = 0; r < rows; ++r)
        for (size_t c = 0; c < cols; ++c)
          out.values[at + c * rows + r] = in.values[at + r * cols + c];
    return out;
  }

  const Weights::Entry& target(const std::string& module) const {
    const Weights::Entry* entry = weights_.find(module + ".weight");
    if (!entry)
      throw Error(Code::kMissing, "{}: changes {}.weight, which the model does not have",
                  named_.path, module);
    if (entry->shape.size() != 2)
      throw Error(Code::kShape, "{}: {} is {}, expected a matrix", named_.path, module,
                  to_string(entry->shape));
    return *entry;
  }
  void check(bool fits, const std::string& module, const Shape& shape) const {
    if (!fits)
      throw Error(Code::kShape, "{}: the factor {} of {} does not fit the model's {}", named_.path,
                  to_string(shape), module, to_string(target(module).shape));
  }

  std::unique_ptr<RowPatch> block_patch(const std::string& module, Factor m) const {
    const Shape& w = target(module).shape;
    if (m.shape.size() == 3) {
      check(m.shape[1] == m.shape[2] && m.shape[1] > 0 && m.shape[0] * m.shape[1] == w[1] &&
                w[0] % m.shape[1] == 0,
            module, m.shape);
      return std::make_unique<BonePatch>(std::move(m), named_.scale);
    }
    check(m.shape.size() == 2 && m.shape[0] > 0 && m.shape[1] == w[0], module, m.shape);
    return std::make_unique<DishaPatch>(std::move(m), named_.scale);
  }

  void pairs(std::map<std::string, std::unique_ptr<RowPatch>>& patches,
             std::map<std::string, Factor>& a, std::map<std::string, Factor>& b,
             float scale) const {
    for (auto& [module, factor] : b)
      if (!a.contains(module))
        throw Error(Code::kFormat, "{}: {} has a factor B, but no A", named_.path, module);
    for (auto& [module, factor] : a) {
      const auto other = b.find(module);
      if (other == b.end())
        throw Error(Code::kFormat, "{}: {} has a factor A, but no B", named_.path, module);
      const Shape& w = target(module).shape;
      check(factor.shape.size() == 2 && factor.shape[1] == w[1], module, factor.shape);
      check(other->second.shape == Shape({w[0], factor.shape[0]}), module, other->second.shape);
      add(patches, module,
          std::make_unique<LowRankPatch>(std::move(factor), std::move(other->second), scale));
    }
  }

  void refuse_folded(const std::string& name) const {
    if (weights_.ln0_folded && name == "emb.weight")
      throw Error(Code::kUnsupported,
                  "{}: changes {}, which {} holds after its first norm; merge it into the original checkpoint",
                  named_.path, name, weights_.file().path());
  }

  // A tensor under a name of the model: takes its place; web-rwkv's matrices are added, its vectors
  // blended.
  void replace(std::map<std::string, std::unique_ptr<RowPatch>>& patches, const std::string& name,
               const Tensor& t) {
    const WeightRole role = role_of(name);
    const Weights::Entry* old = weights_.find(name);
    // Version 7's first layer has no use for them, and not every format has room.
    if (is_first_value_mix(name) && weights_.has("blocks.0.att.r_k")) return;
    if (!old && !name.ends_with(".att.time_state"))
      throw Error(Code::kMissing, "{}: tensor {} fits no weight of the model", named_.path, t.name);
    if (weights_.decay_transformed && (name.ends_with(".time_decay") || name.ends_with(".time_first")))
      throw Error(Code::kUnsupported,
                  "{}: changes {}, which rwkv.cpp's files hold in another form; merge it into "
                  "the original checkpoint",
                  named_.path, name);
    refuse_folded(name);
    Factor values = decoded(t);
    const bool by_columns = name.ends_with(".att.time_state") ? web_ : role == WeightRole::kLowRank && !web_;
    if (by_columns && !name.ends_with("s_emb_x.weight")) values = transposed(values);
    const bool whole = role != WeightRole::kVector && !web_;
    if (old && (whole ? without_ones(old->shape) != without_ones(values.shape)
                      : count_of(old->shape) != values.values.size()))
      throw Error(Code::kShape, "{}: tensor {} is {}, but the model's is {}", named_.path, t.name,
                  to_string(t.shape), to_string(old->shape));
    if (web_ && old &&
        (role == WeightRole::kMatrix || role == WeightRole::kHead ||
         role == WeightRole::kEmbedding)) {
      take_suffix_and_add(patches, name, std::move(values));
      return;
    }
    if (web_ && old && named_.scale != 1) blend(*old, values.values);
    for (float& x : values.values) x /= divisor_of(weights_, name);
    patches.erase(name);  // those of files before
    Weights::Entry entry{t.name, DType::kF32, old ? old->shape : t.shape, {}, {}};
    entry.owned = std::make_shared<std::vector<std::byte>>(values.values.size() * sizeof(float));
    std::memcpy(entry.owned->data(), values.values.data(), entry.owned->size());
    entry.bytes = *entry.owned;
    weights_.replace(name, std::move(entry));
  }
  void take_suffix_and_add(std::map<std::string, std::unique_ptr<RowPatch>>& patches,
                           std::string name, Factor values) const {
    take_suffix(name, ".weight");
    add(patches, name, std::make_unique<AddPatch>(std::move(values), named_.scale));
  }
  void blend(const Weights::Entry& old, std::vector<float>& values) const {
    std::vector<float> before(values.size());
    info(old.dtype).decode(old.bytes.data(), before.size() / info(old.dtype).block_values,
                           before.data());
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = named_.scale * values[i] + (1 - named_.scale) * before[i];
  }

  void add(std::map<std::string, std::unique_ptr<RowPatch>>& patches, const std::string& module,
           std::unique_ptr<RowPatch> patch) const {
    refuse_folded(module + ".weight");
    if (const float divisor = divisor_of(weights_, module + ".weight"); divisor != 1)
      patch = std::make_unique<DividedPatch>(std::move(patch), divisor);
    auto& place = patches[module + ".weight"];
    if (!place) place = std::make_unique<PatchList>();
    static_cast<PatchList&>(*place).add(std::move(patch));
  }

  Weights& weights_;
  const NamedAdapter& named_;
  std::unique_ptr<TensorFile> file_;
  bool web_ = false, has_pairs_ = false;
};

}  // namespace

LoraSet::LoraSet(Weights& weights, const std::vector<std::string>& files,
                 std::vector<std::string>& notes) {
  for (const std::string& text : files) {
    const NamedAdapter named = split_scale(text);
    LoraFile file(weights, named);
    file.read(patches_);
    paths_.push_back(named.path);
    if (file.has_pairs() && !named.scale_given)
      notes.push_back(
          strf("{}: merged with a scale of 1; if it was trained with another alpha / rank, which "
               "the file "
               "does not say, name it with FILE:SCALE",
               named.path));
  }
}

const RowPatch* LoraSet::patch(const std::string& canonical) const {
  const auto found = patches_.find(canonical);
  return found == patches_.end() ? nullptr : found->second.get();
}

}  // namespace rwkv
