"""Writes rwkv.cpp's .bin files: a header of six u32, then tensors without any padding."""
from __future__ import annotations

import struct
from pathlib import Path

from .tensors import Tensor

TYPE_ID = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 7, "q5_1": 8, "q8_0": 9}


def write_ggmf(path: Path, tensors: list[Tensor], n_layer: int, dtype: str) -> None:
    n_vocab, n_embed = next(t.shape for t in tensors if t.name == "emb.weight")
    with open(path, "wb") as file:
        file.write(struct.pack("<6I", 0x67676D66, 101, n_vocab, n_embed, n_layer, TYPE_ID[dtype]))
        for t in tensors:
            key = t.name.encode()
            file.write(struct.pack("<3I", len(t.shape), len(key), TYPE_ID[t.dtype]))
            file.write(struct.pack(f"<{len(t.shape)}I", *reversed(t.shape)) + key)
            t.write(file)
