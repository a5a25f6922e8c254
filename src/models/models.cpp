// The table of versions: how a file's tensors tell which one it is. To add a version: a row here.
#include "models/models.h"

#include <algorithm>

#include "base/error.h"
#include "models/names/names.h"

namespace rwkv {
namespace {

constexpr size_t kMaxLayers = 1024, kMaxVocab = size_t{1} << 20, kMaxWidth = size_t{1} << 17;

// What exists but is not run here; the reason completes "... is not supported: ".
struct Refusal {
  const char* name;
  const char* reason;
};
constexpr Refusal kRefusals[] = {
    {"_strategy", "it was pre-converted by the pip package rwkv; use the original checkpoint"},
    {"blocks.0.qkv.qq.weight", "RWKV v7b keeps a growing attention cache"},
    {"blocks.0.qkv.ennk.weight", "RWKV v8 hybrids keep a growing attention cache"},
    {"blocks.0.ffn.enn.weight", "RWKV v8 is experimental"},
    {"head_q.weight", "the head-QK experiment needs all earlier tokens"},
    {"head_k.weight", "the head-QK experiment needs all earlier tokens"},
};

void refuse(const Weights& w) {
  for (const Refusal& refusal : kRefusals)
    if (w.has(refusal.name))
      throw Error(Code::kUnsupported, "{}: holds {}, which is not supported: {}", w.file().path(),
                  refusal.name, refusal.reason);
  for (const auto& [name, entry] : w.entries())
    if (name.find(".tiny_q.") != std::string::npos)
      throw Error(Code::kUnsupported, "{}: holds {}, which is not supported: RWKV v4a's extra attention "
                  "needs all earlier tokens", w.file().path(), name);
  if (w.file().meta().contains("pth._strategy"))
    throw Error(Code::kUnsupported, "{}: was pre-converted by the pip package rwkv; use the original "
                "checkpoint", w.file().path());
}

bool any(const Weights& w, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return w.has(name); });
}

// Each version is told by several tensors, so that a file that lacks one is refused for want of it, and
// not taken for another version.
bool is_rwkv4(const Weights& w) { return any(w, {"blocks.0.att.time_first", "blocks.0.att.time_decay"}); }
bool is_rwkv5(const Weights& w) {
  return any(w, {"blocks.0.att.ln_x.weight", "blocks.0.att.ln_x.bias"}) &&
         any(w, {"blocks.0.att.time_mix_k", "blocks.0.att.time_mix_v"});
}
bool is_rwkv5_gated(const Weights& w) {
  return is_rwkv5(w) && any(w, {"blocks.0.att.gate.weight", "blocks.0.att.time_mix_g"});
}
bool is_rwkv6(const Weights& w) { return any(w, {"blocks.0.att.time_maa_x", "blocks.0.att.time_maa_w1"}); }
bool is_rwkv7(const Weights& w) { return any(w, {"blocks.0.att.r_k", "blocks.0.att.k_k"}); }
bool is_deep_embed(const Weights& w) { return any(w, {"blocks.0.ffn.s_emb.weight", "blocks.0.ffn.s1"}); }
bool is_hybrid(const Weights& w) { return any(w, {"blocks.0.ffn.up.weight", "blocks.0.ffn.down.weight"}); }
// 5.1 has one decay a head, 5.2 one a channel.
bool has_channel_decay(const Weights& w) {
  const Weights::Entry *decay = w.find("blocks.0.att.time_decay"),
                       *key = w.find("blocks.0.att.key.weight");
  return decay && key && !key->shape.empty() && count_of(decay->shape) == key->shape.front();
}

struct Version {
  const char* name;
  bool (*matches)(const Weights&);
  void (*build)(const Weights&, const Sizes&, PlanBuilder&);
  Norm::Kind norm;
};
constexpr Version kVersions[] = {
    {"arwkv7", [](const Weights& w) { return is_hybrid(w) && is_rwkv7(w); }, build_arwkv7,
     Norm::Kind::kRms},
    {"rwkv6qwen2", [](const Weights& w) { return is_hybrid(w) && is_rwkv6(w); }, build_rwkv6qwen2,
     Norm::Kind::kRms},
    {"v7a", [](const Weights& w) { return is_rwkv7(w) && is_deep_embed(w); }, build_rwkv7,
     Norm::Kind::kLayer},
    {"v7", is_rwkv7, build_rwkv7, Norm::Kind::kLayer},
    {"v6", is_rwkv6, build_rwkv6, Norm::Kind::kLayer},
    {"v5.2", [](const Weights& w) { return is_rwkv5_gated(w) && has_channel_decay(w); }, build_rwkv5,
     Norm::Kind::kLayer},
    {"v5.1", is_rwkv5_gated, build_rwkv5, Norm::Kind::kLayer},
    {"v5.0", is_rwkv5, build_rwkv5, Norm::Kind::kLayer},
    {"v4", is_rwkv4, build_rwkv4, Norm::Kind::kLayer},
};

size_t count_layers(const Weights& w) {
  size_t n_layer = 0;
  for (const auto& [name, entry] : w.entries()) {
    if (name.rfind("blocks.", 0) != 0) continue;
    const size_t end = name.find_first_not_of("0123456789", 7);
    if (end == 7 || end == std::string::npos || end > 12) continue;
    n_layer = std::max(n_layer, std::stoul(name.substr(7, end - 7)) + 1);
  }
  if (n_layer == 0 || n_layer > kMaxLayers)
    throw Error(Code::kFormat, "{}: {} layers, expected 1 to {}", w.file().path(), n_layer, kMaxLayers);
  return n_layer;
}

// A number that GGUF's metadata or rwkv.cpp's header states as well must agree with the tensors.
void check_stated(const Weights& w, const std::string& key, size_t found, const char* what) {
  int64_t store = 0;
  const int64_t* stated = w.file().meta_int(key, store);
  if (stated && *stated != static_cast<int64_t>(found))
    throw Error(Code::kShape, "{}: {} is {}, but the tensors have {} {}", w.file().path(), key, *stated,
                found, what);
}

std::string arch_of(const TensorFile& file) {
  const std::string* arch = file.meta_string("general.architecture");
  return arch ? *arch : "";
}

// Hugging Face's hybrids state only the number of heads; for v5, v6 and fla that key is often wrong, and
// their tensors tell.
size_t stated_head_size(const Weights& w, const std::string& arch, Norm::Kind kind) {
  const TensorFile& file = w.file();
  std::string key = arch.empty() ? "config.head_size" : arch + ".wkv.head_size";
  if (arch.empty() && !file.meta().contains(key)) key = "config.head_dim";
  int64_t store = 0;
  const int64_t* stated = file.meta_int(key, store);
  if (!stated && kind == Norm::Kind::kRms && w.has("blocks.0.att.receptance.weight")) {
    key = "config.num_attention_heads";
    const auto width = static_cast<int64_t>(w.rows("blocks.0.att.receptance.weight"));
    stated = file.meta_int(key, store);
    if (stated) store = *stated > 0 && width % *stated == 0 ? width / *stated : 0;
  }
  if (stated && (store < 1 || store > 1024))
    throw Error(Code::kFormat, "{}: {} gives heads of {}, expected 1 to 1024", file.path(), key, store);
  return stated ? static_cast<size_t>(store) : 0;
}

float stated_eps(const TensorFile& file, const std::string& arch, Norm::Kind kind) {
  const bool rms = kind == Norm::Kind::kRms;
  double store = 0;
  for (const std::string& key :
       {arch + (rms ? ".attention.layer_norm_rms_epsilon" : ".attention.layer_norm_epsilon"),
        std::string(rms ? "config.rms_norm_eps" : "config.layer_norm_epsilon"),
        std::string(rms ? "config.rms_norm_eps" : "config.norm_eps")})
    if (const double* eps = file.meta_float(key, store)) {
      if (*eps < 0 || *eps > 0.1)
        throw Error(Code::kFormat, "{}: {} is {}, expected 0 to 0.1", file.path(), key, *eps);
      return static_cast<float>(*eps);
    }
  return rms ? 1e-6f : 1e-5f;
}

Sizes read_sizes(const Weights& w, const Version& version, const ModelOptions& options) {
  const TensorFile& file = w.file();
  const std::string arch = arch_of(file);
  Sizes sizes;
  sizes.options = options;
  sizes.n_vocab = w.rows("emb.weight");
  sizes.n_embd = w.cols("emb.weight");
  sizes.n_layer = count_layers(w);
  sizes.n_att = w.rows("blocks.0.att.key.weight");
  if (sizes.n_vocab == 0 || sizes.n_vocab > kMaxVocab || sizes.n_embd == 0 ||
      sizes.n_embd > kMaxWidth || sizes.n_att == 0 || sizes.n_att > kMaxWidth)
    throw Error(Code::kShape, "{}: {} tokens, width {}, time mixing {}; expected 1 to {}, 1 to {} and 1 to {}",
                file.path(), sizes.n_vocab, sizes.n_embd, sizes.n_att, kMaxVocab, kMaxWidth, kMaxWidth);
  if (!arch.empty()) {
    check_stated(w, arch + ".block_count", sizes.n_layer, "layers");
    check_stated(w, arch + ".embedding_length", sizes.n_embd, "channels");
    check_stated(w, arch + ".vocab_size", sizes.n_vocab, "tokens");
  }
  check_stated(w, "ggmf.n_vocab", sizes.n_vocab, "tokens");
  check_stated(w, "ggmf.n_embed", sizes.n_embd, "channels");
  check_stated(w, "ggmf.n_layer", sizes.n_layer, "layers");
  check_stated(w, "config.num_hidden_layers", sizes.n_layer, "layers");
  check_stated(w, "config.hidden_size", sizes.n_embd, "channels");
  sizes.head_size = stated_head_size(w, arch, version.norm);
  sizes.norm_eps = stated_eps(file, arch, version.norm);
  return sizes;
}

}  // namespace

Model build_model(std::shared_ptr<TensorFile> file, const ModelOptions& options) {
  return build_model(canonical_weights(std::move(file)), options);
}

Model build_model(std::shared_ptr<Weights> weights, const ModelOptions& options) {
  refuse(*weights);
  const auto version = std::find_if(std::begin(kVersions), std::end(kVersions),
                                    [&](const Version& v) { return v.matches(*weights); });
  if (version == std::end(kVersions))
    throw Error(Code::kUnsupported, "{}: its tensors ({} names) fit no RWKV version from v4 to v7: none of "
                "blocks.0.att.time_first, time_mix_k with ln_x.weight, time_maa_x and r_k is there",
                weights->file().path(), weights->scheme);
  weights->version = version->name;
  const Sizes sizes = read_sizes(*weights, *version, options);
  PlanBuilder builder;
  builder.plan.n_layer = sizes.n_layer;
  builder.plan.n_embd = sizes.n_embd;
  builder.plan.n_vocab = sizes.n_vocab;
  builder.plan.weights = weights;
  version->build(*weights, sizes, builder);
  return {version->name, std::make_shared<const Plan>(std::move(builder.plan)), weights};
}

}  // namespace rwkv
