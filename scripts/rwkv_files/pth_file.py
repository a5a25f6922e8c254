"""Writes what torch.save(OrderedDict of tensors) writes, without torch.

A zip of stored entries: archive/data.pkl (a pickle that names tensors and their storages),
archive/data/N (the bytes of storage N, at a multiple of 64 in the file), archive/version.
"""
from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Iterable

import numpy as np

from .tensors import Tensor

STORAGE_CLASS = {"f32": "FloatStorage", "f16": "HalfStorage", "bf16": "BFloat16Storage"}
ALIGNMENT = 64
LOCAL_HEADER = 30  # bytes of a zip entry's fixed part; zip64 adds 20
ZIP64 = 20


class _Global:
    """Stands for module.name; the pickle must refer to torch, which need not be there."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name

    def __call__(self) -> None:
        raise NotImplementedError  # pickle only wants it to be callable


class _Storage:
    def __init__(self, key: str, kind: _Global, count: int):
        self.pid = ("storage", kind, key, "cpu", count)


class _Rebuilt:
    """A tensor: _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)."""

    def __init__(self, storage: _Storage, shape: tuple[int, ...]):
        strides, step = [], 1
        for n in reversed(shape):
            strides.insert(0, step)
            step *= n
        self.args = (storage, 0, tuple(shape), tuple(strides), False, OrderedDict())


_REBUILD = _Global("torch._utils", "_rebuild_tensor_v2")


class _Pickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, _Storage) else None

    def _save_global(self, obj: _Global) -> None:
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    def _save_tensor(self, obj: _Rebuilt) -> None:
        self.save_reduce(_REBUILD, obj.args, obj=obj)

    dispatch[_Global] = _save_global
    dispatch[_Rebuilt] = _save_tensor


def _pickled(tensors: list[Tensor]) -> bytes:
    kinds = {dtype: _Global("torch", name) for dtype, name in STORAGE_CLASS.items()}
    state = OrderedDict(
        (t.name, _Rebuilt(_Storage(str(i), kinds[t.dtype], t.count), t.shape))
        for i, t in enumerate(tensors))
    out = io.BytesIO()
    _Pickler(out, protocol=2).dump(state)
    return out.getvalue()


def _add(zip_file: zipfile.ZipFile, name: str, size: int, pieces: Iterable[np.ndarray]) -> None:
    info = zipfile.ZipInfo(name)
    info.file_size = size
    zip64 = size > 1 << 30
    start = zip_file.fp.tell() + LOCAL_HEADER + len(name) + ZIP64 * zip64 + 4
    pad = -start % ALIGNMENT
    info.extra = b"FB" + struct.pack("<H", pad) + b"Z" * pad
    with zip_file.open(info, "w", force_zip64=zip64) as entry:
        for piece in pieces:
            entry.write(np.ascontiguousarray(piece).data)


def write_pth(path: Path, tensors: list[Tensor], root: str = "archive") -> None:
    def add_bytes(name: str, data: bytes) -> None:
        _add(zip_file, f"{root}/{name}", len(data), [np.frombuffer(data, np.uint8)])

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as zip_file:
        add_bytes("data.pkl", _pickled(tensors))
        add_bytes("byteorder", b"little")
        for i, t in enumerate(tensors):
            _add(zip_file, f"{root}/data/{i}", t.n_bytes, t.encoded())
        add_bytes("version", b"3\n")
