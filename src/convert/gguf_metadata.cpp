// GGUF's keys for a model: those of llama.cpp's converter, and the same under our own architectures
// rwkv4, rwkv5 and rwkv7a.
#include <filesystem>

#include "base/error.h"
#include "convert/metadata.h"

namespace rwkv {
namespace {

constexpr int64_t kContextLength = 1048576;  // there is no limit; what llama.cpp's converter writes

int64_t rows(const Weights& w, const std::string& name) {
  return w.has(name) ? static_cast<int64_t>(w.rows(name)) : 0;
}

// Ranks come from block 1: block 0's v pair may be missing or of another rank.
void add_ranks(const Model& m, const std::string& arch, Metadata& meta) {
  const Weights& w = *m.weights;
  if (w.has("blocks.0.att.time_maa_w1")) {
    meta[arch + ".time_mix_extra_dim"] = rows(w, "blocks.0.att.time_maa_w1") / 5;
    meta[arch + ".time_decay_extra_dim"] = rows(w, "blocks.0.att.time_decay_w1");
  }
  if (w.has("blocks.0.att.w1")) {
    const std::string v1 = w.has("blocks.1.att.v1") ? "blocks.1.att.v1" : "blocks.0.att.v1";
    meta[arch + ".attention.decay_lora_rank"] = rows(w, "blocks.0.att.w1");
    meta[arch + ".attention.iclr_lora_rank"] = rows(w, "blocks.0.att.a1");
    meta[arch + ".attention.value_residual_mix_lora_rank"] = rows(w, v1);
    meta[arch + ".attention.gate_lora_rank"] = rows(w, "blocks.0.att.g1");
  }
}

void add_sizes(const Model& m, const std::string& arch, Metadata& meta) {
  const Plan& plan = *m.plan;
  const Weights& w = *m.weights;
  const bool hybrid = m.version == "rwkv6qwen2" || m.version == "arwkv7";
  const auto number = [&](const std::string& key, size_t value) {
    meta[arch + "." + key] = static_cast<int64_t>(value);
  };
  meta[arch + ".context_length"] = kContextLength;
  number("embedding_length", plan.n_embd);
  number("block_count", plan.n_layer);
  number("feed_forward_length", plan.n_ffn);
  number("attention.head_count", 0);
  if (plan.head_size) number("wkv.head_size", plan.head_size);
  const float eps = std::get<NormOp>(plan.head.front()).norm.eps;
  meta[arch + (hybrid ? ".attention.layer_norm_rms_epsilon" : ".attention.layer_norm_epsilon")] =
      static_cast<double>(eps);
  if (hybrid) number("token_shift_count", 1);
  if (m.version == "rwkv6qwen2")
    number("attention.head_count_kv", w.rows("blocks.0.att.key.weight") / plan.head_size);
  if (w.ln0_folded) meta[arch + ".embedding_norm_folded"] = true;
  add_ranks(m, arch, meta);
}

// Model cards stand beside the file, not in it: what is known is the name, and what config.json
// says.
void add_general(const Model& m, Metadata& meta) {
  namespace fs = std::filesystem;
  const TensorFile& file = m.weights->file();
  std::string path = file.path();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const fs::path name(path);
  const bool folder = fs::is_directory(name);
  meta["general.type"] = std::string("model");
  meta["general.name"] = folder ? name.filename().string() : name.stem().string();
  if (const std::string* license = file.meta_string("config.license"))
    meta["general.license"] = *license;
}

// Keys of the container, not of the model; the labels are set anew.
bool is_kept(const std::string& key) {
  return key.rfind("split.", 0) != 0 && key.rfind("quantize.", 0) != 0 &&
         key != "general.alignment";
}

}  // namespace

std::string gguf_architecture(const Model& m) {
  if (m.version.rfind("v5", 0) == 0) return "rwkv5";
  return m.version[0] == 'v' ? "rwkv" + m.version.substr(1) : m.version;
}

Metadata gguf_metadata(const Model& m, int file_type, const std::string& tokenizer_path,
                       std::vector<std::string>& notes) {
  const TensorFile& file = m.weights->file();
  const std::string arch = gguf_architecture(m);
  Metadata meta;
  if (file.format() == "gguf") {
    for (const auto& [key, value] : file.meta())
      if (is_kept(key) && (tokenizer_path.empty() || key.rfind("tokenizer.", 0) != 0)) meta.emplace(key, value);
  } else {
    add_general(m, meta);
    add_sizes(m, arch, meta);
  }
  if (file.format() != "gguf" || !tokenizer_path.empty())
    add_tokenizer(m, tokenizer_path, meta, notes);
  meta["general.architecture"] = arch;
  meta["general.file_type"] = static_cast<int64_t>(file_type);
  meta["general.quantization_version"] = int64_t{2};
  return meta;
}

}  // namespace rwkv
