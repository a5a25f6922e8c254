"""The metadata of a GGUF file for a model of a given shape."""
from __future__ import annotations

from .gguf_file import FILE_TYPE, Metadata
from .names import ARCHITECTURE
from .shapes import Shape
from .vocabulary import tokenizer_metadata


def gguf_metadata(shape: Shape, dtype: str, name: str) -> Metadata:
    arch = ARCHITECTURE[shape.version]
    meta: Metadata = [
        ("general.architecture", "str", arch),
        ("general.type", "str", "model"),
        ("general.name", "str", name),
        ("general.file_type", "u32", FILE_TYPE[dtype]),
        ("general.quantization_version", "u32", 2),
    ]

    def add(key: str, kind: str, value: float) -> None:
        meta.append((f"{arch}.{key}", kind, value))

    add("context_length", "u32", 1048576)
    add("embedding_length", "u32", shape.n_embd)
    add("block_count", "u32", shape.n_layer)
    add("feed_forward_length", "u32", shape.n_ffn)
    add("attention.head_count", "u32", 0)
    if shape.version != "v4":
        add("wkv.head_size", "u32", shape.head_size)
    eps = "layer_norm_rms_epsilon" if shape.hybrid else "layer_norm_epsilon"
    add(f"attention.{eps}", "f32", shape.norm_eps)
    if shape.hybrid:
        add("token_shift_count", "u32", 1)
    if shape.version == "rwkv6qwen2":
        add("attention.head_count_kv", "u32", shape.n_head_kv)
    if shape.version in ("v6", "rwkv6qwen2"):
        add("time_mix_extra_dim", "u32", shape.ranks[0])
        add("time_decay_extra_dim", "u32", shape.ranks[1])
    if shape.version in ("v7", "arwkv7"):
        w, a, v, g = shape.ranks
        add("attention.decay_lora_rank", "u32", w)
        add("attention.iclr_lora_rank", "u32", a)
        add("attention.value_residual_mix_lora_rank", "u32", v)
        add("attention.gate_lora_rank", "u32", g if shape.gate or not shape.hybrid else 0)
    return meta + tokenizer_metadata(shape.n_vocab)
