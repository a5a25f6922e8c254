"""config.json of Hugging Face folders, with the fields (and slips) the published ones have."""
from __future__ import annotations

from .shapes import Shape

TORCH_TYPE = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def hf_config(shape: Shape, scheme: str, dtype: str) -> dict:
    s = shape
    config: dict = {"vocab_size": s.n_vocab, "hidden_size": s.n_embd,
                    "num_hidden_layers": s.n_layer, "intermediate_size": s.n_ffn,
                    "tie_word_embeddings": False, "torch_dtype": TORCH_TYPE[dtype],
                    "use_cache": True}
    if scheme == "hf":
        return config | _legacy(s)
    if scheme in ("fla", "fla-xx", "hf-native-a"):
        return config | _fla(s, scheme)
    if scheme == "hf-native-b":
        return config | {
            "architectures": ["Rwkv7ForCausalLM"], "model_type": "rwkv7",
            "head_size": s.head_size, "num_attention_heads": s.n_head,
            "layer_norm_epsilon": s.norm_eps, "group_norm_epsilon": 64e-5, "rescale_every": 0,
            "embedding_layer_norm_fused": True, "wkv_state_dtype": "float32",
            "bos_token_id": 0, "eos_token_id": 0}
    if scheme == "qwen-hf":
        return config | _qwen(s)
    return config | {"model_type": "rwkv", "version": s.version}


def _legacy(s: Shape) -> dict:
    out = {"context_length": 4096, "attention_hidden_size": s.n_embd,
           "layer_norm_epsilon": s.norm_eps, "bos_token_id": 0, "eos_token_id": 0,
           "rescale_every": 6}
    if s.version == "v4":
        return out | {"model_type": "rwkv", "architectures": ["RwkvForCausalLM"]}
    n = s.version[1]
    # num_attention_heads is the head size in published files; readers must not believe it.
    return out | {"model_type": f"rwkv{n}", "architectures": [f"Rwkv{n}ForCausalLM"],
                  "head_size": s.head_size, "head_size_divisor": 8,
                  "num_attention_heads": s.head_size}


def _fla(s: Shape, scheme: str) -> dict:
    w, a, v, g = s.ranks
    native = scheme == "hf-native-a"
    out = {"model_type": "rwkv7_native" if native else "rwkv7",
           "architectures": ["RWKV7ForCausalLM"], "hidden_ratio": s.n_ffn / s.n_embd,
           "head_dim": s.head_size, "num_heads": s.n_head if native else 32,
           "decay_low_rank_dim": w, "gate_low_rank_dim": g, "a_low_rank_dim": a,
           "v_low_rank_dim": v, "hidden_act": "sqrelu", "norm_first": True, "norm_bias": True,
           "norm_eps": s.norm_eps, "value_dim": [s.n_embd] * s.n_layer, "fuse_norm": True,
           "attn": None, "attn_mode": "chunk", "bos_token_id": 0, "eos_token_id": 0}
    if native:
        out |= {"num_attention_heads": s.n_head, "attention_hidden_size": s.n_embd}
    return out


def _qwen(s: Shape) -> dict:
    six = s.version == "rwkv6qwen2"
    out = {"model_type": s.version if six else "rwkv_hybrid",
           "architectures": ["RWKV6Qwen2ForCausalLM" if six else "RwkvHybridForCausalLM"],
           "num_attention_heads": s.n_head, "rms_norm_eps": s.norm_eps, "hidden_act": "silu",
           "head_size": s.head_size}
    if six:
        return out | {"num_key_value_heads": s.n_head_kv, "lora_rank_tokenshift": s.ranks[0],
                      "lora_rank_decay": s.ranks[1]}
    return out | {"num_key_value_heads": s.n_head, "wkv_has_gate": s.gate,
                  "wkv_has_group_norm": s.head_norm, "wkv_layers": "full"}
