#include "convert/layout.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "models/names/patterns.h"

namespace rwkv {
namespace {

struct TargetName {
  std::string_view name, endings;
  Target target;
};
constexpr TargetName kTargets[] = {{"gguf", ".gguf", Target::kGguf},
                                   {"pth", ".pth .pt", Target::kPth},
                                   {"safetensors", ".safetensors .st", Target::kSafetensors},
                                   {"hf", "", Target::kHuggingFace},
                                   {"ggmf", ".bin", Target::kGgmf}};

bool is_hybrid(const Model& m) { return m.version == "rwkv6qwen2" || m.version == "arwkv7"; }
bool is_rwkv5(const Model& m) { return m.version.rfind("v5", 0) == 0; }
bool is_rwkv7(const Model& m) { return m.version.rfind("v7", 0) == 0 || m.version == "arwkv7"; }

const NameScheme& scheme_for(const Model& m, Target target) {
  const bool folded = m.weights->ln0_folded;
  const auto refuse = [&](const char* why) -> const NameScheme& {
    throw Error(Code::kUnsupported, "{}: an RWKV {} model cannot be written as {}: {}",
                m.weights->file().path(), m.version, name(target), why);
  };
  const char* const no_ln0 =
      "its embedding has gone through ln0 already, and these files have no way to say so";
  switch (target) {
    case Target::kGguf:
      if (folded) return scheme_named("GGUF rwkv7 folded");
      if (m.version[0] == 'v')
        return scheme_named("GGUF rwkv" + (is_rwkv5(m) ? "5" : m.version.substr(1)));
      return scheme_named("GGUF " + m.version);
    case Target::kHuggingFace:
      if (is_hybrid(m)) return scheme_named("Qwen2 hybrid");
      if (m.version == "v7a")
        return refuse("nobody has published such a folder, so there are no names for it");
      if (m.version != "v7") return scheme_named("Hugging Face");
      return scheme_named(folded ? "transformers" : "fla");
    case Target::kGgmf:
      if (is_hybrid(m) || m.version == "v7a") return refuse("rwkv.cpp has no such version");
      return folded ? refuse(no_ln0) : scheme_named("rwkv.cpp");
    default:
      if (is_hybrid(m))
        return refuse("its head size stands in config.json, so it needs a folder (hf)");
      return folded ? refuse(no_ln0) : scheme_named("BlinkDL");
  }
}

// "blocks.3.att.x_r" -> "x_r"; matrices keep ".weight".
std::string tail_of(const std::string& canonical) {
  const size_t part = canonical.find(".att.") != std::string::npos ? canonical.find(".att.")
                                                                   : canonical.find(".ffn.");
  return part == std::string::npos ? canonical : canonical.substr(part + 5);
}
size_t layer_of(const std::string& canonical) {
  const std::string number = star(canonical).number;
  return number.empty() ? 0 : std::stoul(number);
}
bool any_of(const std::string& tail, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), tail) != names.end();
}
bool is_mix(const std::string& tail) {
  const size_t at = tail.rfind("time_mix_", 0) == 0 || tail.rfind("time_maa_", 0) == 0 ? 9
                    : tail.rfind("x_", 0) == 0                                         ? 2
                                                                                       : 0;
  return at != 0 && tail.size() == at + 1;
}

Shape squeezed(const Shape& shape) {
  Shape out;
  for (const size_t size : shape)
    if (size != 1) out.push_back(size);
  return out.empty() ? Shape{1} : out;
}

class LayoutMaker {
 public:
  LayoutMaker(const Model& model, Target target)
      : m_(model), w_(*model.weights), target_(target), scheme_(scheme_for(model, target)) {}

  Layout make() {
    Layout out;
    out.scheme = std::string(scheme_.name);
    const auto names = canonical_names(out.notes);
    const auto gguf =
        target_ == Target::kGguf ? std::map<std::string, std::string>() : gguf_names(names);
    for (WrittenTensor& written : written_tensors(names, scheme_, w_.file().path())) {
      OutTensor t;
      const std::string first = written.from.front();
      t.spec.name = std::move(written.name);
      t.gguf_name = target_ == Target::kGguf ? t.spec.name : gguf.at(first);
      t.transform = written.transform == Transform::kSplit ? Transform::kSame : written.transform;
      t.role = role_of(first);
      t.spec.shape = shape_of(first, written.from.size(), written.transform);
      for (const std::string& name : written.from) t.from.push_back(source_of(name));
      set_values(first, t);
      t.spec.dtype = w_.at(t.from.front()).dtype;
      out.tensors.push_back(std::move(t));
    }
    if (revert_decay_)
      out.notes.push_back(
          "rwkv.cpp stores exp of the decays: their logarithms, taken back, may differ in the last "
          "bit");
    return out;
  }

 private:
  // The names to be written; alias_ says which weight stands behind one when it is another.
  std::vector<std::string> canonical_names(std::vector<std::string>& notes) {
    std::vector<std::string> out;
    for (const auto& [name, entry] : w_.entries()) {
      const std::string pattern = star(name).name;
      if (!any_of(name, {"emb.weight", "head.weight"}) && pattern.rfind("ln_out.", 0) != 0 &&
          pattern.rfind("blocks.*.", 0) != 0) {
        notes.push_back(strf("tensor {} is no part of the model and is left out", entry.source));
        continue;
      }
      if (is_rwkv7(m_) && first_value_mix(name) && !is_blinkdl()) continue;
      // In rwkv.cpp's files of v5, time_first holds u itself, which checkpoints call time_faaaa.
      const bool bonus = is_rwkv5(m_) && w_.decay_transformed && target_ != Target::kGgmf;
      const bool scalar = m_.version != "v5.2" && target_ == Target::kGgmf;
      std::string written = name;
      if (bonus && name.ends_with("time_first"))
        written = name.substr(0, name.size() - 5) + "faaaa";
      if (scalar && is_rwkv5(m_) && name.ends_with("time_faaaa"))
        written = name.substr(0, name.size() - 5) + "first";
      if (written != name) alias_[written] = name;
      out.push_back(written);
    }
    if (is_rwkv7(m_) && target_ == Target::kGguf) copy_a_as_first_v(out);
    return out;
  }
  bool is_blinkdl() const { return scheme_.name == "BlinkDL"; }
  static bool first_value_mix(const std::string& name) {
    return any_of(name, {"blocks.0.att.v0", "blocks.0.att.v1", "blocks.0.att.v2"});
  }
  // Layer 0 never uses v0, v1 and v2; llama.cpp wants them in the file, of the size of a0, a1 and
  // a2.
  void copy_a_as_first_v(std::vector<std::string>& names) {
    for (const char* n : {"0", "1", "2"}) {
      const std::string v = std::string("blocks.0.att.v") + n,
                        a = std::string("blocks.0.att.a") + n;
      if (!w_.has(a)) continue;
      alias_[v] = a;
      names.push_back(v);
    }
  }
  const std::string& source_of(const std::string& name) const {
    const auto found = alias_.find(name);
    return found == alias_.end() ? name : found->second;
  }
  std::map<std::string, std::string> gguf_names(const std::vector<std::string>& names) const {
    std::map<std::string, std::string> out;
    for (const WrittenTensor& t :
         written_tensors(names, scheme_for(m_, Target::kGguf), w_.file().path()))
      for (const std::string& from : t.from) out[from] = t.name;
    return out;
  }

  Shape shape_of(const std::string& name, size_t n_stacked, Transform transform) const {
    const Weights::Entry& entry = w_.at(source_of(name));
    const size_t count = count_of(entry.shape);
    if (transform == Transform::kSplit)
      return target_ == Target::kGguf ? Shape{n_stacked, 1, 1, count} : Shape{n_stacked, 1, count};
    const std::string tail = tail_of(name);
    if (target_ == Target::kGguf) return tail == "r_k" ? Shape{count} : squeezed(entry.shape);
    Shape shape = target_ == Target::kGgmf ? ggmf_shape(tail, entry.shape)
                                           : checkpoint_shape(name, entry.shape);
    if (transform != Transform::kSame) std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
    return shape;
  }
  Shape heads(size_t count) const {
    const size_t H = m_.plan->n_head;
    if (H == 0 || count % H != 0) return {count};
    return count == H ? Shape{H} : Shape{H, count / H};
  }
  Shape checkpoint_shape(const std::string& name, const Shape& have) const {
    const size_t count = count_of(have);
    const std::string tail = tail_of(name);
    if (tail == "r_k" || tail == "time_faaaa" ||
        (is_rwkv5(m_) && any_of(tail, {"time_decay", "time_first"})))
      return heads(count);
    if (tail == "time_decay" && m_.version != "v4") return {1, 1, count};
    if (any_of(tail, {"w0", "a0", "v0", "k_k", "k_a"}) || name.ends_with("ffn.x_k"))
      return scheme_.name == "fla" ? Shape{count} : Shape{1, 1, count};
    if (is_mix(tail)) return {1, 1, count};
    return role_of(name) == WeightRole::kVector && !any_of(tail, {"time_state", "s0"})
               ? squeezed(have)
               : have;
  }
  Shape ggmf_shape(const std::string& tail, const Shape& have) const {
    const size_t count = count_of(have);
    if (tail == "r_k") return heads(count);
    if (any_of(tail, {"w0", "a0", "v0", "k_k", "k_a", "x_k"})) return {1, 1, count};
    if (m_.version != "v4" && any_of(tail, {"time_decay", "time_first", "time_faaaa"})) {
      Shape shape = heads(count);
      while (shape.size() < 3) shape.push_back(1);
      return shape;
    }
    return tail == "time_state" ? have : squeezed(have);
  }

  void set_values(const std::string& name, OutTensor& t) {
    const std::string tail = tail_of(name);
    const bool scalar_first = tail == "time_first" && source_of(name) == name &&
                              count_of(w_.at(name).shape) == m_.plan->n_head;
    if (target_ == Target::kGgmf && !w_.decay_transformed) {
      if (tail == "time_decay" && m_.version == "v4")
        t.map = [](float x) { return static_cast<float>(-std::exp(static_cast<double>(x))); };
      if (is_rwkv5(m_) && tail == "time_decay")
        t.map = [](float x) {
          return static_cast<float>(std::exp(-std::exp(static_cast<double>(x))));
        };
      if (is_rwkv5(m_) && scalar_first)
        t.map = [](float x) { return static_cast<float>(std::exp(static_cast<double>(x))); };
    } else if (target_ != Target::kGgmf && w_.decay_transformed && tail == "time_decay" &&
               (m_.version == "v4" || is_rwkv5(m_))) {
      revert_decay_ = true;
      if (m_.version == "v4")
        t.map = [](float x) { return static_cast<float>(std::log(-static_cast<double>(x))); };
      else
        t.map = [](float x) {
          return static_cast<float>(std::log(-std::log(static_cast<double>(x))));
        };
    }
    if (target_ != Target::kGguf) t.scale = divisor_of(w_, name);
  }

  const Model& m_;
  const Weights& w_;
  Target target_;
  const NameScheme& scheme_;
  std::map<std::string, std::string> alias_;
  bool revert_decay_ = false;
};

}  // namespace

Target target_of(const std::string& name, const std::string& path) {
  if (!name.empty()) {
    for (const TargetName& t : kTargets)
      if (t.name == name) return t.target;
    throw Error(Code::kArgument, "format \"{}\": expected gguf, pth, safetensors, hf or ggmf",
                name);
  }
  const size_t slash = path.find_last_of('/'), dot = path.find_last_of('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash))
    return Target::kHuggingFace;
  const std::string ending = path.substr(dot);
  for (const TargetName& t : kTargets)
    for (size_t at = 0; at < t.endings.size(); ++at) {
      const size_t end = std::min(t.endings.find(' ', at), t.endings.size());
      if (t.endings.substr(at, end - at) == ending) return t.target;
      at = end;
    }
  throw Error(Code::kArgument,
              "{}: its ending does not say what to write: expected .gguf, .pth, .safetensors, "
              ".bin, a folder without an ending, or a format named by hand",
              path);
}

std::string_view name(Target target) {
  for (const TargetName& t : kTargets)
    if (t.target == target) return t.name;
  return "";
}

WeightRole role_of(const std::string& canonical) {
  if (canonical == "emb.weight" || canonical.ends_with("ffn.s_emb.weight"))
    return WeightRole::kEmbedding;
  if (canonical == "head.weight") return WeightRole::kHead;
  const std::string tail = tail_of(canonical);
  if (tail == canonical) return WeightRole::kVector;
  if (any_of(tail, {"receptance.weight", "key.weight", "value.weight", "gate.weight",
                    "output.weight", "up.weight", "down.weight"}))
    return WeightRole::kMatrix;
  if (any_of(tail, {"w1", "w2", "a1", "a2", "v1", "v2", "g1", "g2", "s1", "s2", "s_emb_x.weight",
                    "time_maa_w1", "time_maa_w2", "time_decay_w1", "time_decay_w2"}))
    return WeightRole::kLowRank;
  return WeightRole::kVector;
}

float divisor_of(const Weights& weights, const std::string& canonical) {
  int64_t store = 0;
  const int64_t* every = weights.file().meta_int("rwkv6.rescale_every_n_layers", store);
  if (!every || *every <= 0 || !(canonical.ends_with("att.output.weight") || canonical.ends_with("ffn.value.weight")))
    return 1;
  return std::ldexp(1.0f, static_cast<int>(layer_of(canonical) / static_cast<size_t>(*every)));
}

Layout lay_out(const Model& model, Target target) { return LayoutMaker(model, target).make(); }

}  // namespace rwkv
