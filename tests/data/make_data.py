#!/usr/bin/env python3
"""Makes the test vectors beside this file; the same bytes each time. Needs numpy.

NAME.<format>             a tiny random model, in every format and under many names
NAME.tokens.i32           token ids
NAME.logits.f32           [tokens, vocabulary], of tests/oracle/oracle.py (float64), rounded
NAME.state.f32            the state after the last token, in the order that oracle.py describes
index.json                what belongs together, and the epsilon of the group norm
blocks/TYPE.blocks, .f32  8 blocks of random bits (finite scales) and their values
"""
from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "scripts"), str(HERE.parent / "oracle")]

import block_formats  # noqa: E402
import oracle  # noqa: E402
from rwkv_files.model_file import write_model  # noqa: E402
from rwkv_files.random_weights import random_tensors  # noqa: E402
from rwkv_files.shapes import Shape  # noqa: E402

PTH_EPS, RWKV_CPP_EPS = 64e-5, 1e-5
N_BLOCKS = 8


@dataclass
class Case:
    file: str
    shape: Shape
    dtype: str
    names: str
    zeros: float | None = None
    eps: float = PTH_EPS


# Sizes that nothing divides: widths, heads, ranks, hidden units and vocabularies apart from 32.
CASES = [
    Case("v4.pth", Shape("v4", 2, 37, 97, n_ffn=101, head_size=1), "bf16", "blinkdl"),
    Case("v4-hf.safetensors", Shape("v4", 2, 32, 97, n_ffn=100), "bf16", "hf"),
    Case("v4.bin", Shape("v4", 2, 40, 97, n_ffn=104), "f16", "rwkv.cpp"),
    Case("v4.gguf", Shape("v4", 2, 32, 256, n_ffn=96), "f16", "gguf"),
    Case("v5.0.bin", Shape("v5.0", 2, 40, 97, 8, 100), "f32", "rwkv.cpp", eps=RWKV_CPP_EPS),
    Case("v5.0.pth", Shape("v5.0", 2, 32, 97, 16, 128), "bf16", "blinkdl"),
    Case("v5.1.safetensors", Shape("v5.1", 2, 40, 97, 8, 108), "f32", "blinkdl"),
    Case("v5.2.gguf", Shape("v5.2", 2, 48, 256, 16, 136), "f16", "gguf", 0.8),
    Case("v5.2-hf.safetensors", Shape("v5.2", 2, 36, 97, 12, 90), "bf16", "hf"),
    Case("v5.2.bin", Shape("v5.2", 2, 32, 97, 8, 100), "f16", "rwkv.cpp", eps=RWKV_CPP_EPS),
    Case("v6.pth", Shape("v6", 3, 40, 97, 8, 100, (5, 7)), "bf16", "blinkdl", 0.85),
    Case("v6.gguf", Shape("v6", 2, 40, 300, 8, 136, (8, 12)), "f16", "gguf"),
    Case("v6-old.gguf", Shape("v6", 2, 32, 97, 8, 100, (6, 10)), "f16", "gguf-old"),
    Case("v6.bin", Shape("v6", 2, 32, 97, 16, 100, (5, 9)), "f32", "rwkv.cpp"),
    Case("v6-web.st", Shape("v6", 2, 36, 97, 12, 100, (5, 9)), "f16", "web-rwkv"),
    Case("v7.pth", Shape("v7", 3, 40, 97, 8, 160, (5, 7, 3, 9)), "bf16", "blinkdl", 0.85),
    Case("v7.gguf", Shape("v7", 2, 48, 300, 16, 150, (12, 10, 6, 20)), "f16", "gguf", 0.85),
    Case("v7.bin", Shape("v7", 2, 32, 97, 8, 100, (6, 7, 5, 9)), "f16", "rwkv.cpp"),
    Case("v7-fla.safetensors", Shape("v7", 2, 36, 97, 12, 100, (5, 7, 3, 9)), "bf16", "fla"),
    Case("v7-fla-xx.safetensors", Shape("v7", 2, 32, 97, 8, 100, (6, 6, 5, 9)), "f16", "fla-xx"),
    Case("v7-native-b.safetensors", Shape("v7", 2, 32, 97, 16, 100, (6, 6, 5, 9)), "f32",
         "hf-native-b"),
    Case("v7-web.st", Shape("v7", 2, 40, 97, 8, 100, (6, 7, 5, 9)), "f16", "web-rwkv"),
    Case("v7a.pth", Shape("v7a", 2, 32, 97, 8, 100, (6, 7, 5, 9, 6)), "bf16", "blinkdl"),
    Case("rwkv6qwen2.gguf", Shape("rwkv6qwen2", 2, 48, 270, 8, 72, (5, 9), n_head_kv=2), "f16",
         "gguf"),
    Case("arwkv7.gguf", Shape("arwkv7", 2, 40, 97, 8, 100, (6, 7, 5, 9)), "bf16", "gguf"),
    Case("arwkv7-gate.gguf", Shape("arwkv7", 2, 32, 97, 16, 96, (6, 7, 5, 9), gate=True,
                                   head_norm=True), "f16", "gguf"),
]


def make_case(case: Case, seed: int) -> dict:
    shape = case.shape
    tensors = random_tensors(shape, case.dtype, seed, case.zeros)
    write_model(HERE / case.file, tensors, shape, case.dtype, case.names)
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, shape.n_vocab, 16 + seed % 9).astype("<i4")
    weights = {t.name: t.array() for t in tensors}
    logits, state = oracle.run(weights, shape.version, tokens, head_norm_eps=case.eps,
                               norm_eps=shape.norm_eps, head_size=shape.head_size)
    stem = case.file.replace(".", "-")
    entry = {"file": case.file, "version": shape.version}
    for what, kind, values in (("tokens", "i32", tokens), ("logits", "f32", logits),
                               ("state", "f32", state)):
        entry[what] = f"{stem}.{what}.{kind}"
        values.astype("<i4" if kind == "i32" else "<f4").tofile(HERE / entry[what])
    return entry | {"eps": case.eps, "n_token": len(tokens), "n_vocab": shape.n_vocab,
                    "n_embd": shape.n_embd, "n_layer": shape.n_layer}


def make_blocks(name: str) -> None:
    size, halves, _ = block_formats.FORMATS[name]
    rng = np.random.default_rng(sum(name.encode()))
    blocks = rng.integers(0, 256, (N_BLOCKS, size), dtype=np.uint8)
    for at in halves:
        for block in blocks:
            while not np.isfinite(block[at:at + 2].copy().view("<f2")[0]):
                block[at:at + 2] = rng.integers(0, 256, 2)
    blocks.tofile(HERE / "blocks" / f"{name}.blocks")
    values = block_formats.decode(name, blocks.tobytes())
    values.astype("<f4").tofile(HERE / "blocks" / f"{name}.f32")


def main() -> None:
    index = [make_case(case, seed) for seed, case in enumerate(CASES, 100)]
    lines = ",\n ".join(json.dumps(entry) for entry in index)
    (HERE / "index.json").write_text(f"[{lines}]\n")
    (HERE / "blocks").mkdir(exist_ok=True)
    for name in block_formats.FORMATS:
        make_blocks(name)


if __name__ == "__main__":
    main()
