"""Writes safetensors files: u64 header length, JSON header, data."""
from __future__ import annotations

import json
import struct
from pathlib import Path

from .tensors import Tensor

TYPE_NAME = {"f32": "F32", "f16": "F16", "bf16": "BF16"}


def write_safetensors(path: Path, tensors: list[Tensor]) -> None:
    header: dict = {"__metadata__": {"format": "pt"}}
    offset = 0
    for t in tensors:
        header[t.name] = {"dtype": TYPE_NAME[t.dtype], "shape": list(t.shape),
                          "data_offsets": [offset, offset + t.n_bytes]}
        offset += t.n_bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for t in tensors:
            t.write(file)


def write_sharded(folder: Path, tensors: list[Tensor], n_shards: int) -> None:
    """model.safetensors, or n_shards files of about equal size and their index."""
    if n_shards <= 1:
        write_safetensors(folder / "model.safetensors", tensors)
        return
    total = sum(t.n_bytes for t in tensors)
    shards: list[list[Tensor]] = [[] for _ in range(n_shards)]
    done = 0
    for t in tensors:
        shards[min(done * n_shards // total, n_shards - 1)].append(t)
        done += t.n_bytes
    weight_map = {}
    for i, shard in enumerate(shards):
        name = f"model-{i + 1:05d}-of-{n_shards:05d}.safetensors"
        write_safetensors(folder / name, shard)
        weight_map.update({t.name: name for t in shard})
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
