"""Which tensors of a file become blocks: as llama-quantize and rwkv.cpp choose."""
from __future__ import annotations

import re

from .blocks import BLOCKS
from .tensors import Tensor

GGUF_MATRIX = re.compile(
    r"(?:token_embd|output|blk\.\d+\.(?:time_mix_(?:receptance|key|value|gate|output)"
    r"|channel_mix_(?:key|value|receptance)|ffn_(?:gate|up|down)))\.weight")
# For rows that are no multiple of 256.
FALLBACK = {"q2_k": "q4_0", "q3_k": "q4_0", "q4_k": "q5_0", "q5_k": "q5_1", "q6_k": "q8_0",
            "iq4_xs": "iq4_nl"}
GGMF_TYPES = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0")
GGMF_KEPT = re.compile(r"(?:emb|head)\.weight|.*att\.(?:[vgaw][12]|r_k).*")


def float_type(dtype: str) -> str:
    """The type of the model before it is quantized."""
    return "f16" if dtype in BLOCKS else dtype


def _as_blocks(t: Tensor, dtype: str) -> Tensor:
    """Unchanged if the rows fit neither dtype nor its fallback."""
    for candidate in (dtype, FALLBACK.get(dtype, dtype)):
        if t.shape[-1] % BLOCKS[candidate].n_values == 0:
            return t.typed(candidate)
    return t


def gguf_blocks(tensors: list[Tensor], dtype: str) -> list[Tensor]:
    output = "q8_0" if dtype == "q8_0" else "q6_k"
    return [_as_blocks(t, output if t.name == "output.weight" else dtype)
            if GGUF_MATRIX.fullmatch(t.name) else t for t in tensors]


def ggmf_blocks(tensors: list[Tensor], dtype: str) -> list[Tensor]:
    if dtype not in GGMF_TYPES:
        raise ValueError(f"rwkv.cpp's .bin has no {dtype}, only {', '.join(GGMF_TYPES)}")
    return [_as_blocks(t, dtype) if len(t.shape) == 2 and not GGMF_KEPT.fullmatch(t.name) else t
            for t in tensors]
