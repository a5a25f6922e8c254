"""A tensor that is written without ever being held whole, and the 16-bit floats.

Pieces are flat arrays in storage order. An array of float32 or float16 means itself; one of uint16
holds bfloat16 bits.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import BinaryIO, Callable, Iterable, Iterator

import numpy as np

from .blocks import BLOCKS, quantized

ITEM_BYTES = {"f32": 4, "f16": 2, "bf16": 2}
CARRIER = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2"), "bf16": np.dtype("<u2")}


def encode(values: np.ndarray, dtype: str) -> np.ndarray:
    """Values (any piece) as an array of dtype's carrier, rounded to nearest even."""
    if values.dtype == CARRIER[dtype]:
        return values
    values = decode(values)
    if dtype != "bf16":
        return values.astype(CARRIER[dtype])
    bits = values.view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2")


def decode(values: np.ndarray) -> np.ndarray:
    """A piece as float32."""
    if values.dtype == np.uint16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(values, dtype=np.float32)


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """float32 values rounded to what dtype can hold."""
    return decode(encode(values, dtype))


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple[int, ...]  # row-major, outermost first
    dtype: str  # f32, f16, bf16 or one of BLOCKS: how a writer stores it
    pieces: Callable[[], Iterable[np.ndarray]]

    @staticmethod
    def of(name: str, values: np.ndarray, dtype: str) -> "Tensor":
        values = np.asarray(values, np.float32)
        return Tensor(name, values.shape, dtype, lambda: [values.reshape(-1)])

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        if self.dtype in BLOCKS:
            block = BLOCKS[self.dtype]
            return self.count // block.n_values * block.n_bytes
        return self.count * ITEM_BYTES[self.dtype]

    def array(self) -> np.ndarray:
        """The whole tensor as float32."""
        return np.concatenate([decode(p).reshape(-1) for p in self.pieces()]).reshape(self.shape)

    def named(self, name: str) -> "Tensor":
        return replace(self, name=name)

    def shaped(self, *shape: int) -> "Tensor":
        assert math.prod(shape) == self.count, (self.name, self.shape, shape)
        return replace(self, shape=shape)

    def typed(self, dtype: str) -> "Tensor":
        return replace(self, dtype=dtype)

    def squeezed(self) -> "Tensor":
        return self.shaped(*[n for n in self.shape if n != 1])

    def mapped(self, f: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> "Tensor":
        """f over the whole array, when it is written; for small tensors."""
        return replace(self, shape=shape,
                       pieces=lambda: [np.ascontiguousarray(f(self.array())).reshape(-1)])

    def transposed(self) -> "Tensor":
        """The last two axes swapped."""
        *outer, rows, cols = self.shape
        return self.mapped(lambda a: a.swapaxes(-1, -2), (*outer, cols, rows))

    def encoded(self) -> Iterator[np.ndarray]:
        for piece in self.pieces():
            if self.dtype in BLOCKS:  # pieces are whole rows, rows whole blocks
                yield from quantized(decode(piece.reshape(-1)), self.dtype)
            else:
                yield encode(piece.reshape(-1), self.dtype)

    def write(self, file: BinaryIO) -> None:
        for piece in self.encoded():
            file.write(np.ascontiguousarray(piece).data)


def stacked(name: str, parts: list[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Tensors one after the other, as one of the given shape."""
    def pieces() -> Iterator[np.ndarray]:
        for part in parts:
            yield from part.pieces()
    return Tensor(name, shape, parts[0].dtype, pieces)
