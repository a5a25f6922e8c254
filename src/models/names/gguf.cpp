// Names in GGUF files, one table an architecture. rwkv4, rwkv5 and rwkv7a are names of our own
// (docs/formats.md): llama.cpp has no such architectures.
#include "models/names/names.h"

namespace rwkv {
namespace {

bool is_arch(const TensorFile& file, std::string_view arch) {
  if (file.format() != "gguf") return false;
  const std::string* value = file.meta_string("general.architecture");
  return value && *value == arch;
}
// Converted from a checkpoint whose embedding has already gone through ln0.
bool is_folded7(const TensorFile& file) {
  const auto folded = file.meta().find("rwkv7.embedding_norm_folded");
  return is_arch(file, "rwkv7") && folded != file.meta().end() && folded->second == MetaValue(true);
}

#define RWKV_GGUF_COMMON                                                                            \
  {"token_embd.weight", "emb.weight"}, {"token_embd_norm.{weight,bias}", "blocks.0.ln0.{weight,bias}"}, \
      {"output_norm.{weight,bias}", "ln_out.{weight,bias}"}, {"output.weight", "head.weight"},      \
      {"blk.*.{attn_norm,attn_norm_2}.{weight,bias}", "blocks.*.{ln1,ln2}.{weight,bias}"},          \
      {"blk.*.time_mix_{receptance,key,value,gate,output}.weight",                                  \
       "blocks.*.att.{receptance,key,value,gate,output}.weight"},                                   \
      {"blk.*.time_mix_ln.{weight,bias}", "blocks.*.att.ln_x.{weight,bias}"},                       \
      {"blk.*.channel_mix_{receptance,key,value}.weight",                                           \
       "blocks.*.ffn.{receptance,key,value}.weight"},                                               \
      {"blk.*.time_mix_state.weight", "blocks.*.att.time_state"}

constexpr NameRow kGguf45[] = {
    RWKV_GGUF_COMMON,
    {"blk.*.time_mix_lerp_{k,v,r,g}.weight", "blocks.*.att.time_mix_{k,v,r,g}"},
    {"blk.*.time_mix_decay.weight", "blocks.*.att.time_decay"},
    {"blk.*.time_mix_first.weight", "blocks.*.att.time_first"},
    {"blk.*.time_mix_faaaa.weight", "blocks.*.att.time_faaaa"},
    {"blk.*.channel_mix_lerp_{k,r}.weight", "blocks.*.ffn.time_mix_{k,r}"},
};

#define RWKV_GGUF_TIME_MIX_6                                                                        \
  {"blk.*.time_mix_lerp_fused.weight", "blocks.*.att.time_maa_{w,k,v,r,g}", Transform::kSplit},     \
      {"blk.*.time_mix_lerp_{x,w,k,v,r,g}.weight", "blocks.*.att.time_maa_{x,w,k,v,r,g}"},          \
      {"blk.*.time_mix_{w1,w2}.weight", "blocks.*.att.time_maa_{w1,w2}"},                           \
      {"blk.*.time_mix_{decay,decay_w1,decay_w2}.weight",                                           \
       "blocks.*.att.time_{decay,decay_w1,decay_w2}"},                                              \
      {"blk.*.time_mix_first.weight", "blocks.*.att.time_faaaa"}

constexpr NameRow kGguf6[] = {
    RWKV_GGUF_COMMON,
    RWKV_GGUF_TIME_MIX_6,
    {"blk.*.channel_mix_lerp_{k,r}.weight", "blocks.*.ffn.time_maa_{k,r}"},
};

#define RWKV_GGUF_TIME_MIX_7                                                                        \
  {"blk.*.time_mix_lerp_fused.weight", "blocks.*.att.x_{r,w,k,v,a,g}", Transform::kSplit},          \
      {"blk.*.time_mix_{w,a,v}0.weight", "blocks.*.att.{w,a,v}0"},                                  \
      {"blk.*.time_mix_{w,a,v,g}{1,2}.weight", "blocks.*.att.{w,a,v,g}{1,2}"},                      \
      {"blk.*.time_mix_{k_k,k_a,r_k}.weight", "blocks.*.att.{k_k,k_a,r_k}"}

constexpr NameRow kGguf7[] = {
    RWKV_GGUF_COMMON,
    RWKV_GGUF_TIME_MIX_7,
    {"blk.*.channel_mix_lerp_k.weight", "blocks.*.ffn.x_k"},
};
constexpr NameRow kGguf7a[] = {
    RWKV_GGUF_COMMON,
    RWKV_GGUF_TIME_MIX_7,
    {"blk.*.channel_mix_lerp_k.weight", "blocks.*.ffn.x_k"},
    {"blk.*.channel_mix_{s_emb,s_emb_x}.weight", "blocks.*.ffn.{s_emb,s_emb_x}.weight"},
    {"blk.*.channel_mix_{s0,s1,s2}.weight", "blocks.*.ffn.{s0,s1,s2}"},
};

#define RWKV_GGUF_QWEN                                                                              \
  {"blk.*.ffn_norm.weight", "blocks.*.ln2.weight"},                                                 \
      {"blk.*.ffn_{gate,up,down}.weight", "blocks.*.ffn.{gate,up,down}.weight"},                    \
      {"blk.*.time_mix_{receptance,key,value}.bias", "blocks.*.att.{receptance,key,value}.bias"}

constexpr NameRow kGgufQwen6[] = {RWKV_GGUF_QWEN, RWKV_GGUF_COMMON, RWKV_GGUF_TIME_MIX_6};
constexpr NameRow kGgufQwen7[] = {RWKV_GGUF_QWEN, RWKV_GGUF_COMMON, RWKV_GGUF_TIME_MIX_7};

#undef RWKV_GGUF_COMMON
#undef RWKV_GGUF_TIME_MIX_6
#undef RWKV_GGUF_TIME_MIX_7
#undef RWKV_GGUF_QWEN

constexpr NameScheme kGgufSchemes[] = {
    {"GGUF rwkv4", [](const TensorFile& f) { return is_arch(f, "rwkv4"); }, kGguf45},
    {"GGUF rwkv5", [](const TensorFile& f) { return is_arch(f, "rwkv5"); }, kGguf45},
    {"GGUF rwkv6", [](const TensorFile& f) { return is_arch(f, "rwkv6"); }, kGguf6},
    {"GGUF rwkv7 folded", is_folded7, kGguf7, false, false, true},
    {"GGUF rwkv7", [](const TensorFile& f) { return is_arch(f, "rwkv7"); }, kGguf7},
    {"GGUF rwkv7a", [](const TensorFile& f) { return is_arch(f, "rwkv7a"); }, kGguf7a},
    {"GGUF rwkv6qwen2", [](const TensorFile& f) { return is_arch(f, "rwkv6qwen2"); }, kGgufQwen6},
    {"GGUF arwkv7", [](const TensorFile& f) { return is_arch(f, "arwkv7"); }, kGgufQwen7},
};

}  // namespace

std::span<const NameScheme> gguf_schemes() { return kGgufSchemes; }

}  // namespace rwkv
