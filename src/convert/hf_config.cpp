// config.json of Hugging Face folders, with the fields of the published ones.
#include "base/error.h"
#include "base/json.h"
#include "convert/metadata.h"

namespace rwkv {
namespace {

class ConfigWriter {
 public:
  void text(std::string_view key, std::string_view value) { raw(key, json_quote(value)); }
  void number(std::string_view key, size_t value) { raw(key, std::to_string(value)); }
  void real(std::string_view key, float value) { raw(key, strf("{}", value)); }
  void flag(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }
  void raw(std::string_view key, std::string_view value) {
    out_ += strf("{}  {}: {}", out_.empty() ? "{\n" : ",\n", json_quote(key), value);
  }
  std::string finish() const { return out_ + "\n}\n"; }

 private:
  std::string out_;
};

class HfConfig {
 public:
  HfConfig(const Model& m, const std::string& scheme)
      : m_(m),
        w_(*m.weights),
        p_(*m.plan),
        scheme_(scheme),
        eps_(std::get<NormOp>(m.plan->head.front()).norm.eps) {}

  std::string write(const std::string& float_name) {
    c_.number("vocab_size", p_.n_vocab);
    c_.number("hidden_size", p_.n_embd);
    c_.number("num_hidden_layers", p_.n_layer);
    c_.number("intermediate_size", p_.n_ffn);
    c_.flag("tie_word_embeddings", !w_.has("head.weight"));
    c_.text("torch_dtype", float_name);
    c_.flag("use_cache", true);
    if (scheme_ == "Hugging Face")
      legacy();
    else if (scheme_ == "fla")
      fla();
    else if (scheme_ == "transformers")
      transformers();
    else
      qwen();
    return c_.finish();
  }

 private:
  size_t rank(const std::string& name) const { return w_.has(name) ? w_.rows(name) : 0; }
  size_t att_width() const { return w_.rows("blocks.0.att.receptance.weight"); }
  void ends() {
    c_.number("bos_token_id", 0);
    c_.number("eos_token_id", 0);
  }

  // The ports of v4, v5 and v6.
  void legacy() {
    const std::string number = m_.version == "v4" ? "" : m_.version.substr(1, 1);
    c_.text("model_type", "rwkv" + number);
    c_.raw("architectures", json_list("Rwkv" + number + "ForCausalLM"));
    c_.number("context_length", 4096);
    c_.number("attention_hidden_size", att_width());
    c_.real("layer_norm_epsilon", eps_);
    c_.number("rescale_every", 6);
    ends();
    if (m_.version == "v4") return;
    c_.number("head_size", p_.head_size);
    c_.number("head_size_divisor", 8);
    c_.number("num_attention_heads", p_.n_head);
  }

  void fla() {
    c_.text("model_type", "rwkv7");
    c_.raw("architectures", json_list("RWKV7ForCausalLM"));
    c_.real("hidden_ratio", static_cast<float>(p_.n_ffn) / static_cast<float>(p_.n_embd));
    c_.number("head_dim", p_.head_size);
    c_.number("num_heads", p_.n_head);
    c_.number("decay_low_rank_dim", rank("blocks.0.att.w1"));
    c_.number("gate_low_rank_dim", rank("blocks.0.att.g1"));
    c_.number("a_low_rank_dim", rank("blocks.0.att.a1"));
    c_.number("v_low_rank_dim", rank(p_.n_layer > 1 ? "blocks.1.att.v1" : "blocks.0.att.v1"));
    c_.text("hidden_act", "sqrelu");
    c_.flag("norm_first", true);
    c_.flag("norm_bias", true);
    c_.real("norm_eps", eps_);
    std::string dims;
    for (size_t i = 0; i < p_.n_layer; ++i) dims += (i ? ", " : "") + std::to_string(p_.n_embd);
    c_.raw("value_dim", "[" + dims + "]");
    c_.flag("fuse_norm", true);
    c_.raw("attn", "null");
    c_.text("attn_mode", "chunk");
    ends();
  }

  void transformers() {
    c_.text("model_type", "rwkv7");
    c_.raw("architectures", json_list("Rwkv7ForCausalLM"));
    c_.number("head_size", p_.head_size);
    c_.number("num_attention_heads", p_.n_head);
    c_.real("layer_norm_epsilon", eps_);
    c_.real("group_norm_epsilon", 64e-5f);
    c_.number("rescale_every", 0);
    c_.flag("embedding_layer_norm_fused", w_.ln0_folded);
    c_.text("wkv_state_dtype", "float32");
    ends();
  }

  void qwen() {
    const bool six = m_.version == "rwkv6qwen2";
    c_.text("model_type", six ? "rwkv6qwen2" : "rwkv_hybrid");
    c_.raw("architectures", json_list(six ? "RWKV6Qwen2ForCausalLM" : "RwkvHybridForCausalLM"));
    c_.number("num_attention_heads", p_.n_head);
    c_.real("rms_norm_eps", eps_);
    c_.text("hidden_act", "silu");
    c_.number("head_size", p_.head_size);
    c_.number("num_key_value_heads", w_.rows("blocks.0.att.key.weight") / p_.head_size);
    if (six) {
      c_.number("lora_rank_tokenshift", rank("blocks.0.att.time_maa_w1") / 5);
      c_.number("lora_rank_decay", rank("blocks.0.att.time_decay_w1"));
    } else {
      c_.flag("wkv_has_gate", w_.has("blocks.0.att.g1"));
      c_.flag("wkv_has_group_norm", w_.has("blocks.0.att.ln_x.weight"));
      c_.text("wkv_layers", "full");
    }
  }
  static std::string json_list(const std::string& one) { return "[" + json_quote(one) + "]"; }

  const Model& m_;
  const Weights& w_;
  const Plan& p_;
  const std::string& scheme_;
  float eps_;
  ConfigWriter c_;
};

}  // namespace

std::string hf_config(const Model& model, const std::string& scheme,
                      const std::string& float_name) {
  return HfConfig(model, scheme).write(float_name);
}

}  // namespace rwkv
