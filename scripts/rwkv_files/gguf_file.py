"""Writes GGUF version 3: metadata, tensor infos, data aligned to 32 bytes.

Metadata is a list of (key, type, value); types: u32, i32, f32, bool, str, u32[], i32[], str[].
"""
from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from .tensors import Tensor

ALIGNMENT = 32
TYPE_ID = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "q2_k": 10,
           "q3_k": 11, "q4_k": 12, "q5_k": 13, "q6_k": 14, "iq4_nl": 20, "iq4_xs": 23, "bf16": 30}
# general.file_type; those of Q3_K, Q4_K and Q5_K are the M ones
FILE_TYPE = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "q2_k": 10,
             "q3_k": 12, "q4_k": 15, "q5_k": 17, "q6_k": 18, "iq4_nl": 25, "iq4_xs": 30, "bf16": 32}
VALUE_TYPE = {"u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"), "bool": (7, "<?")}
STRING, ARRAY = 8, 9

Metadata = list[tuple[str, str, Any]]


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind: str, value: Any) -> bytes:
    return _string(value) if kind == "str" else struct.pack(VALUE_TYPE[kind][1], value)


def _pair(key: str, kind: str, value: Any) -> bytes:
    element = kind.removesuffix("[]")
    type_id = STRING if element == "str" else VALUE_TYPE[element][0]
    if element == kind:
        return _string(key) + struct.pack("<I", type_id) + _value(kind, value)
    return (_string(key) + struct.pack("<IIQ", ARRAY, type_id, len(value))
            + b"".join(_value(element, v) for v in value))


def _padding(size: int) -> bytes:
    return b"\0" * (-size % ALIGNMENT)


def write_gguf(path: Path, metadata: Metadata, tensors: list[Tensor]) -> None:
    with open(path, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
        for key, kind, value in metadata:
            file.write(_pair(key, kind, value))
        offset = 0
        for t in tensors:
            sizes = t.shape[::-1]  # fastest dimension first
            file.write(_string(t.name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes,
                                                     TYPE_ID[t.dtype], offset))
            offset += t.n_bytes + len(_padding(t.n_bytes))
        file.write(_padding(file.tell()))
        for t in tensors:
            t.write(file)
            file.write(_padding(t.n_bytes))
