// Names in checkpoints: BlinkDL's own, Hugging Face's, flash-linear-attention's, rwkv.cpp's, web-rwkv's.
#include "models/names/names.h"

namespace rwkv {
namespace {

bool has(const TensorFile& file, std::string_view name) { return file.find(name) != nullptr; }

constexpr NameRow kBlinkdl[] = {
    {"blocks.*.att.{w1,w2,a1,a2,v1,v2,g1,g2}", "blocks.*.att.{w1,w2,a1,a2,v1,v2,g1,g2}",
     Transform::kTranspose},
    {"blocks.*.att.time_{maa_w1,maa_w2,decay_w1,decay_w2}",
     "blocks.*.att.time_{maa_w1,maa_w2,decay_w1,decay_w2}", Transform::kTranspose},
    {"blocks.*.ffn.{s1,s2}", "blocks.*.ffn.{s1,s2}", Transform::kTranspose},
};
bool is_blinkdl(const TensorFile& file) { return has(file, "emb.weight"); }

// web-rwkv's converter has transposed the low-rank factors and renamed time_maa and time_faaaa.
constexpr NameRow kWebRwkv[] = {
    {"blocks.*.att.time_mix_{x,w,k,v,r,g,w1,w2}", "blocks.*.att.time_maa_{x,w,k,v,r,g,w1,w2}"},
    {"blocks.*.att.time_first", "blocks.*.att.time_faaaa"},
    {"blocks.*.ffn.time_mix_{k,r}", "blocks.*.ffn.time_maa_{k,r}"},
    {"blocks.*.att.time_state", "blocks.*.att.time_state", Transform::kTranspose},
};
constexpr NameRow kWebRwkv7[] = {
    {"blocks.*.att.time_state", "blocks.*.att.time_state", Transform::kTranspose},
};
bool is_web_rwkv6(const TensorFile& file) {
  return is_blinkdl(file) && has(file, "blocks.0.att.time_mix_w1");
}
// Version 7 keeps BlinkDL's names; only the orientation of w1 tells (rank x C against C x rank).
bool is_web_rwkv7(const TensorFile& file) {
  const Tensor *w1 = file.find("blocks.0.att.w1"), *emb = file.find("emb.weight");
  return w1 && emb && w1->shape.size() == 2 && emb->shape.size() == 2 &&
         w1->shape[1] == emb->shape[1] && w1->shape[0] != emb->shape[1] && file.format() != "ggmf";
}

constexpr NameRow kRwkvCpp[] = {
    {"blocks.*.att.x_rwkvag", "blocks.*.att.x_{r,w,k,v,a,g}", Transform::kSplit},
};
bool is_rwkv_cpp(const TensorFile& file) { return file.format() == "ggmf"; }

constexpr NameRow kHuggingFace[] = {
    {"rwkv.embeddings.weight", "emb.weight"},
    {"rwkv.ln_out.{weight,bias}", "ln_out.{weight,bias}"},
    {"head.weight", "head.weight"},
    {"rwkv.blocks.*.{pre_ln,ln1,ln2}.{weight,bias}", "blocks.*.{ln0,ln1,ln2}.{weight,bias}"},
    {"rwkv.blocks.*.attention.{receptance,key,value,gate,output,ln_x}.{weight,bias}",
     "blocks.*.att.{receptance,key,value,gate,output,ln_x}.{weight,bias}"},
    {"rwkv.blocks.*.attention.time_{decay,first,faaaa,state}",
     "blocks.*.att.time_{decay,first,faaaa,state}"},
    {"rwkv.blocks.*.attention.time_mix_{key,value,receptance,gate}",
     "blocks.*.att.time_mix_{k,v,r,g}"},
    {"rwkv.blocks.*.attention.time_maa_{x,w,k,v,r,g}", "blocks.*.att.time_maa_{x,w,k,v,r,g}"},
    {"rwkv.blocks.*.attention.time_{maa_w1,maa_w2,decay_w1,decay_w2}",
     "blocks.*.att.time_{maa_w1,maa_w2,decay_w1,decay_w2}", Transform::kTranspose},
    {"rwkv.blocks.*.feed_forward.time_mix_{key,receptance}", "blocks.*.ffn.time_mix_{k,r}"},
    {"rwkv.blocks.*.feed_forward.time_maa_{k,r}", "blocks.*.ffn.time_maa_{k,r}"},
    {"rwkv.blocks.*.feed_forward.{key,value,receptance}.weight",
     "blocks.*.ffn.{key,value,receptance}.weight"},
};
bool is_hugging_face(const TensorFile& file) { return has(file, "rwkv.embeddings.weight"); }

// flash-linear-attention; the native Hugging Face port of RWKV-7 has the same keys.
constexpr NameRow kFla[] = {
    {"model.embeddings.weight", "emb.weight"},
    {"model.norm.{weight,bias}", "ln_out.{weight,bias}"},
    {"lm_head.weight", "head.weight"},
    {"model.layers.*.{pre_norm,attn_norm,ffn_norm}.{weight,bias}",
     "blocks.*.{ln0,ln1,ln2}.{weight,bias}"},
    {"model.layers.*.attn.{r_proj,k_proj,v_proj,o_proj,g_norm}.{weight,bias}",
     "blocks.*.att.{receptance,key,value,output,ln_x}.{weight,bias}"},
    {"model.layers.*.attn.{w,a,v,g}_lora.lora.0.weight", "blocks.*.att.{w,a,v,g}1"},
    {"model.layers.*.attn.{w,a,v,g}_lora.lora.2.weight", "blocks.*.att.{w,a,v,g}2"},
    {"model.layers.*.attn.{w,a,v}_lora.lora.2.bias", "blocks.*.att.{w,a,v}0"},
    {"model.layers.*.attn.{x_r,x_w,x_k,x_v,x_a,x_g,k_k,k_a,r_k}",
     "blocks.*.att.{x_r,x_w,x_k,x_v,x_a,x_g,k_k,k_a,r_k}"},
    {"model.layers.*.attn.x_x", "blocks.*.att.x_{r,w,k,v,a,g}", Transform::kSplit},
    {"model.layers.*.ffn.{x_k,key.weight,value.weight}",
     "blocks.*.ffn.{x_k,key.weight,value.weight}"},
};
bool is_fla(const TensorFile& file) { return has(file, "model.embeddings.weight"); }

// The in-library port (Rwkv7ForCausalLM): BlinkDL's names behind "rwkv7.".
constexpr NameRow kTransformers[] = {
    {"rwkv7.embeddings.weight", "emb.weight"},
    {"rwkv7.ln_out.{weight,bias}", "ln_out.{weight,bias}"},
    {"head.weight", "head.weight"},
    {"rwkv7.blocks.*.{ln0,ln1,ln2}.{weight,bias}", "blocks.*.{ln0,ln1,ln2}.{weight,bias}"},
    {"rwkv7.blocks.*.att.{receptance,key,value,output,ln_x}.{weight,bias}",
     "blocks.*.att.{receptance,key,value,output,ln_x}.{weight,bias}"},
    {"rwkv7.blocks.*.att.{w,a,v}0", "blocks.*.att.{w,a,v}0"},
    {"rwkv7.blocks.*.att.{w,a,v,g}{1,2}", "blocks.*.att.{w,a,v,g}{1,2}", Transform::kTranspose},
    {"rwkv7.blocks.*.att.{x_r,x_w,x_k,x_v,x_a,x_g,k_k,k_a,r_k}",
     "blocks.*.att.{x_r,x_w,x_k,x_v,x_a,x_g,k_k,k_a,r_k}"},
    {"rwkv7.blocks.*.ffn.{x_k,key.weight,value.weight}",
     "blocks.*.ffn.{x_k,key.weight,value.weight}"},
};
bool is_transformers(const TensorFile& file) { return has(file, "rwkv7.embeddings.weight"); }
// Here ln0 is usually folded into the embedding, and then its keys are absent.
bool is_transformers_folded(const TensorFile& file) {
  return is_transformers(file) && !has(file, "rwkv7.blocks.0.ln0.weight");
}

// The Qwen2 hybrids. rwkv6qwen2 stacks its five mixes in the order r k v w g; arwkv7 keeps BlinkDL's names
// of time mixing behind "time_mixer".
constexpr NameRow kQwen[] = {
    {"model.embed_tokens.weight", "emb.weight"},
    {"model.norm.weight", "ln_out.weight"},
    {"lm_head.weight", "head.weight"},
    {"model.layers.*.{input_layernorm,post_attention_layernorm}.weight", "blocks.*.{ln1,ln2}.weight"},
    {"model.layers.*.mlp.{gate,up,down}_proj.weight", "blocks.*.ffn.{gate,up,down}.weight"},
    {"model.layers.*.self_attn.{q_proj,k_proj,v_proj,o_proj,gate}.{weight,bias}",
     "blocks.*.att.{receptance,key,value,output,gate}.{weight,bias}"},
    {"model.layers.*.self_attn.time_maa_{x,w,k,v,r,g}", "blocks.*.att.time_maa_{x,w,k,v,r,g}"},
    {"model.layers.*.self_attn.time_maa_{w1,w2}", "blocks.*.att.time_maa_{w1,w2}",
     Transform::kTransposeRkvwg},
    {"model.layers.*.self_attn.time_decay", "blocks.*.att.time_decay"},
    {"model.layers.*.self_attn.time_decay_{w1,w2}", "blocks.*.att.time_decay_{w1,w2}",
     Transform::kTranspose},
    {"model.layers.*.self_attn.time_mixer.{receptance,key,value,output,ln_x}.{weight,bias}",
     "blocks.*.att.{receptance,key,value,output,ln_x}.{weight,bias}"},
    {"model.layers.*.self_attn.time_mixer.{w,a,v}0", "blocks.*.att.{w,a,v}0"},
    {"model.layers.*.self_attn.time_mixer.{w,a,v,g}{1,2}", "blocks.*.att.{w,a,v,g}{1,2}",
     Transform::kTranspose},
    {"model.layers.*.self_attn.time_mixer.{x_r,x_w,x_k,x_v,x_a,x_g,k_k,k_a,r_k}",
     "blocks.*.att.{x_r,x_w,x_k,x_v,x_a,x_g,k_k,k_a,r_k}"},
};
bool is_qwen(const TensorFile& file) {
  return has(file, "model.embed_tokens.weight") &&
         (has(file, "model.layers.0.self_attn.time_maa_x") ||
          has(file, "model.layers.0.self_attn.time_mixer.r_k"));
}

constexpr NameScheme kCheckpointSchemes[] = {
    {"rwkv.cpp", is_rwkv_cpp, kRwkvCpp, true, true, false},
    {"web-rwkv", is_web_rwkv6, kWebRwkv, true, false, false},
    {"web-rwkv", is_web_rwkv7, kWebRwkv7, true, false, false},
    {"BlinkDL", is_blinkdl, kBlinkdl, true, false, false},
    {"Hugging Face", is_hugging_face, kHuggingFace, false, false, false},
    {"fla", is_fla, kFla, false, false, false},
    {"Qwen2 hybrid", is_qwen, kQwen, false, false, false},
    {"transformers", is_transformers_folded, kTransformers, false, false, true},
    {"transformers", is_transformers, kTransformers, false, false, false},
};

}  // namespace

std::span<const NameScheme> checkpoint_schemes() { return kCheckpointSchemes; }

}  // namespace rwkv
