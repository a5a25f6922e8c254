#include "convert/types.h"

#include <algorithm>
#include <map>
#include <regex>

#include "base/error.h"
#include "models/names/patterns.h"

namespace rwkv {
namespace {

struct TypeName {
  std::string_view name;
  DType base;
  int up;         // which tensors go up the ladder, and the embedding how far: 0 none, 1 _M, 2 _L
  bool guarded;   // layer 0's att.value and att.output in 8 bits
  int file_type;  // ggml's label
};
constexpr TypeName kTypeNames[] = {
    {"F32", DType::kF32, 0, false, 0},       {"F16", DType::kF16, 0, false, 1},
    {"BF16", DType::kBF16, 0, false, 32},    {"Q4_0", DType::kQ4_0, 0, false, 2},
    {"Q4_1", DType::kQ4_1, 0, false, 3},     {"Q8_0", DType::kQ8_0, 0, false, 7},
    {"Q5_0", DType::kQ5_0, 0, false, 8},     {"Q5_1", DType::kQ5_1, 0, false, 9},
    {"Q2_K", DType::kQ2_K, 0, true, 10},     {"Q3_K_S", DType::kQ3_K, 0, true, 11},
    {"Q3_K_M", DType::kQ3_K, 1, true, 12},   {"Q3_K_L", DType::kQ3_K, 2, true, 13},
    {"Q4_K_S", DType::kQ4_K, 0, true, 14},   {"Q4_K_M", DType::kQ4_K, 1, true, 15},
    {"Q5_K_S", DType::kQ5_K, 0, true, 16},   {"Q5_K_M", DType::kQ5_K, 1, true, 17},
    {"Q6_K", DType::kQ6_K, 0, false, 18},    {"IQ4_NL", DType::kIQ4_NL, 0, false, 25},
    {"IQ4_XS", DType::kIQ4_XS, 0, true, 30}, {"Q3_K", DType::kQ3_K, 1, true, 12},
    {"Q4_K", DType::kQ4_K, 1, true, 15},     {"Q5_K", DType::kQ5_K, 1, true, 17},
};
constexpr size_t kGuardedLayers = 12;  // as the smallest published models have
constexpr DType kLadder[] = {DType::kQ2_K, DType::kQ3_K, DType::kQ4_K,
                             DType::kQ5_K, DType::kQ6_K, DType::kQ8_0};

double bits(DType type) {
  return 8.0 * static_cast<double>(info(type).block_bytes) /
         static_cast<double>(info(type).block_values);
}
bool is_block(DType type) { return info(type).block_values > 1; }

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

const TypeName& type_named(const std::string& name) {
  for (const TypeName& t : kTypeNames)
    if (t.name == upper(name)) return t;
  std::string names;
  for (const TypeName& t : kTypeNames) names += (names.empty() ? "" : ", ") + std::string(t.name);
  throw Error(Code::kArgument, "type \"{}\": expected one of {}", name, names);
}

DType writable(DType type) {
  if (!info(type).encode)
    throw Error(Code::kUnsupported, "type {} cannot be written, only read", rwkv::name(type));
  return type;
}
DType single_type(const std::string& name) { return writable(type_named(name).base); }

DType raised(DType type, int steps) {
  const auto at = std::find(std::begin(kLadder), std::end(kLadder), type);
  if (at == std::end(kLadder)) return type;
  return kLadder[std::min<ptrdiff_t>(at - std::begin(kLadder) + steps, std::ssize(kLadder) - 1)];
}

// The next type that rows of `width` values fill: K types become what llama-quantize takes instead.
DType fitting(DType type, size_t width) {
  if (width % info(type).block_values == 0) return type;
  DType other = DType::kQ8_0;
  switch (type) {
    case DType::kQ2_K:
    case DType::kQ3_K: other = DType::kQ4_0; break;
    case DType::kQ4_K: other = DType::kQ5_0; break;
    case DType::kQ5_K: other = DType::kQ5_1; break;
    case DType::kIQ4_XS: other = DType::kIQ4_NL; break;
    default: break;
  }
  return width % info(other).block_values == 0 ? other : DType::kF16;
}

class Chooser {
 public:
  Chooser(const Model& model, Target target, const TypeOptions& options,
          std::vector<std::string>& notes)
      : m_(model), target_(target), o_(options), notes_(notes) {}

  ChosenTypes choose(std::vector<OutTensor>& tensors) {
    const bool keep = o_.type.empty() || upper(o_.type) == "AUTO";
    if (!keep) {
      wanted_ = &type_named(o_.type);
      writable(wanted_->base);
      check_target();
    }
    for (OutTensor& t : tensors) {
      const DType source = t.spec.dtype;
      t.spec.dtype = keep ? kept(t, source) : chosen(t, source);
    }
    override_types(tensors);
    for (OutTensor& t : tensors) check(t);
    for (const auto& [sentence, count] : counted_)
      notes_.push_back(count == 1 ? sentence : strf("{} ({} tensors)", sentence, count));
    return label(tensors);
  }

 private:
  void check_target() const {
    const bool floats = target_ == Target::kPth || target_ == Target::kSafetensors ||
                        target_ == Target::kHuggingFace;
    if (is_block(wanted_->base) && floats)
      throw Error(Code::kUnsupported,
                  "type {} cannot stand in a file of format {}, which holds F32, F16 and BF16",
                  wanted_->name, name(target_));
    if (target_ == Target::kGgmf && !fits_ggmf(wanted_->base))
      throw Error(Code::kUnsupported,
                  "type {} cannot stand in rwkv.cpp's .bin, which holds F32, F16, Q4_0, Q4_1, "
                  "Q5_0, Q5_1 and Q8_0",
                  wanted_->name);
  }
  static bool fits_ggmf(DType type) {
    switch (type) {
      case DType::kF32:
      case DType::kF16:
      case DType::kQ4_0:
      case DType::kQ4_1:
      case DType::kQ5_0:
      case DType::kQ5_1:
      case DType::kQ8_0: return true;
      default: return false;
    }
  }
  // Vectors, and what the converters of llama.cpp and rwkv.cpp keep in F32.
  bool always_f32(const OutTensor& t) const {
    const std::string& n = t.from.front();
    if (target_ == Target::kGguf)
      return t.role == WeightRole::kVector || (t.spec.shape.size() == 1 && !is_block(t.spec.dtype));
    return target_ == Target::kGgmf && (t.role == WeightRole::kVector || t.spec.shape.size() < 2 ||
                                        n.find(".time_") != std::string::npos);
  }
  bool f32_by_custom(const OutTensor& t) const {
    const std::string& n = t.from.front();
    return target_ == Target::kGguf && t.role == WeightRole::kLowRank &&
           (n.ends_with("att.w1") || n.ends_with("att.w2") ||
            n.find(".time_") != std::string::npos);
  }

  // Nothing is lost: a type that the format cannot hold becomes F32.
  DType kept(const OutTensor& t, DType source) {
    if (always_f32(t) || (f32_by_custom(t) && !is_block(source)) || source == DType::kF64)
      return DType::kF32;
    if (target_ == Target::kGguf && info(source).gguf_id >= 0) return same_bytes(t, source);
    if (target_ == Target::kGgmf) return fits_ggmf(source) ? same_bytes(t, source) : as_f32(source);
    return is_block(source) ? as_f32(source) : source;
  }
  // Blocks that must be transposed or changed cannot be copied.
  DType same_bytes(const OutTensor& t, DType source) {
    const bool moved =
        t.transform != Transform::kSame || t.map || t.scale != 1 || t.from.size() > 1;
    return moved && is_block(source) ? as_f32(source) : source;
  }
  DType as_f32(DType source) {
    ++counted_[strf("{} becomes F32, so that no value changes", rwkv::name(source))];
    return DType::kF32;
  }

  DType chosen(const OutTensor& t, DType source) {
    const bool floats = target_ != Target::kGguf && target_ != Target::kGgmf;
    if (always_f32(t)) return DType::kF32;
    const DType base = wanted_->base;
    if (!is_block(base)) return !floats && f32_by_custom(t) ? DType::kF32 : base;
    if (target_ == Target::kGgmf)
      return t.role == WeightRole::kMatrix ? fitted(t, base) : kept(t, source);
    switch (t.role) {
      case WeightRole::kLowRank:
        return is_block(source) ? kept(t, source) : fitted(t, DType::kQ8_0);
      case WeightRole::kHead: return fitted(t, head_type());
      case WeightRole::kEmbedding: return fitted(t, embedding_type(t));
      default: return fitted(t, o_.pure ? base : matrix_type(t));
    }
  }
  DType head_type() const {
    if (!o_.output_type.empty()) return single_type(o_.output_type);
    if (o_.pure) return wanted_->base;
    return bits(wanted_->base) < bits(DType::kQ6_K) ? DType::kQ6_K : wanted_->base;
  }
  DType embedding_type(const OutTensor& t) const {
    if (!o_.embedding_type.empty() && t.from.front() == "emb.weight")
      return single_type(o_.embedding_type);
    const bool tied = t.from.front() == "emb.weight" && !m_.weights->has("head.weight");
    if (tied) return head_type();
    return o_.pure ? wanted_->base : raised(wanted_->base, wanted_->up);
  }
  // See docs/quantization.md, "Mixes".
  DType matrix_type(const OutTensor& t) const {
    const std::string& n = t.from.front();
    const DType base = wanted_->base;
    const size_t layer = std::stoul(star(n).number), n_layer = m_.plan->n_layer;
    const bool value = n.ends_with("att.value.weight"), output = n.ends_with("att.output.weight");
    const bool up = n.ends_with("ffn.key.weight") || n.ends_with("ffn.up.weight");
    const bool down = n.ends_with("ffn.value.weight") || n.ends_with("ffn.down.weight");
    // One channel of its input dwarfs all others, and its values live on in every layer (v_first).
    // In a model of few layers these two are a large share of the file.
    if (wanted_->guarded && layer == 0 && n_layer >= kGuardedLayers && (value || output))
      return DType::kQ8_0;
    if (wanted_->up == 0) return base;
    const bool more = output || up || (wanted_->up == 2 && (value || down));
    return more || layer == 0 || layer + 1 == n_layer ? raised(base, 1) : base;
  }

  DType fitted(const OutTensor& t, DType type) {
    const size_t width = t.spec.shape.back();
    const DType fits = fitting(type, width);
    if (fits != type)
      ++counted_[strf("rows of {} values do not fill blocks of {}: {} takes the place of {}", width,
                      info(type).block_values, rwkv::name(fits), rwkv::name(type))];
    return fits;
  }

  void override_types(std::vector<OutTensor>& tensors) {
    for (const std::string& text : o_.tensor_types) {
      const size_t equals = text.rfind('=');
      if (equals == std::string::npos || equals == 0)
        throw Error(Code::kArgument, "\"{}\": expected NAME=TYPE", text);
      const DType type = single_type(text.substr(equals + 1));
      std::regex pattern;
      try {
        pattern = std::regex(text.substr(0, equals));
      } catch (const std::regex_error&) {
        throw Error(Code::kArgument, "\"{}\": expected a name or a regular expression before '='",
                    text);
      }
      size_t n_found = 0;
      for (OutTensor& t : tensors) {
        if (t.role == WeightRole::kVector || !(std::regex_search(t.gguf_name, pattern) ||
                                               std::regex_search(t.from.front(), pattern)))
          continue;
        t.spec.dtype = fitted(t, type);
        ++n_found;
      }
      if (n_found == 0)
        throw Error(Code::kArgument,
                    "\"{}\": no matrix of the model has such a name (as in GGUF or in .pth)", text);
    }
  }

  void check(const OutTensor& t) const {
    const DType source = m_.weights->at(t.from.front()).dtype;
    if (t.spec.dtype != source) writable(t.spec.dtype);
    if (!o_.allow_requantize && is_block(source) && is_block(t.spec.dtype) && t.spec.dtype != source &&
        t.role != WeightRole::kVector)
      throw Error(Code::kUnsupported,
                  "{}: tensor {} is {} already, and a second rounding costs quality; "
                  "quantize the original, or allow it (rwkv quantize --allow-requantize)",
                  m_.weights->file().path(), t.spec.name, rwkv::name(source));
  }

  ChosenTypes label(const std::vector<OutTensor>& tensors) const {
    ChosenTypes out;
    if (wanted_) return {wanted_->file_type, wanted_->base};
    std::map<DType, size_t> values;
    for (const OutTensor& t : tensors)
      if (t.role == WeightRole::kMatrix) values[t.spec.dtype] += count_of(t.spec.shape);
    const auto most =
        std::max_element(values.begin(), values.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most != values.end()) out.base = most->first;
    for (const TypeName& t : kTypeNames)
      if (t.base == out.base) {
        out.file_type = t.file_type;
        break;
      }
    return out;
  }

  const Model& m_;
  Target target_;
  const TypeOptions& o_;
  std::vector<std::string>& notes_;
  const TypeName* wanted_ = nullptr;  // null: types stay
  std::map<std::string, size_t> counted_;
};

}  // namespace

ChosenTypes choose_types(std::vector<OutTensor>& tensors, const Model& model, Target target,
                         const TypeOptions& options, std::vector<std::string>& notes) {
  return Chooser(model, target, options, notes).choose(tensors);
}

}  // namespace rwkv
