"""Decoders of ggml's older and K block formats: uint8 [blocks, bytes] -> float32 [blocks, values].

All arithmetic is float32 in the order of the definition (scale times quant, then the minimum), so
that the results are the format's exact values.
"""
from __future__ import annotations

from typing import Callable

import numpy as np

Array = np.ndarray
F32 = np.float32


def _half(blocks: Array, at: int) -> Array:
    return blocks[:, at:at + 2].copy().view("<f2").astype(F32)  # [blocks, 1]


def _nibbles(b: Array) -> Array:
    """Low nibbles of all bytes, then the high ones."""
    return np.concatenate([b & 15, b >> 4], axis=1)


def _bits(b: Array) -> Array:
    """Bit i of the little-endian number in b as column i."""
    return np.unpackbits(b, axis=1, bitorder="little")


def _planes(b: Array, width: int, shifts: tuple[int, ...], mask: int) -> Array:
    """Each run of `width` bytes holds one plane of values per shift."""
    runs = b.reshape(len(b), -1, 1, width)
    return ((runs >> np.array(shifts, np.uint8)[:, None]) & mask).reshape(len(b), -1)


def q4_0(b: Array) -> Array:
    return _half(b, 0) * (_nibbles(b[:, 2:]).astype(F32) - F32(8))


def q4_1(b: Array) -> Array:
    return _half(b, 0) * _nibbles(b[:, 4:]).astype(F32) + _half(b, 2)


def q5_0(b: Array) -> Array:
    q = _nibbles(b[:, 6:]) + 16 * _bits(b[:, 2:6])
    return _half(b, 0) * (q.astype(F32) - F32(16))


def q5_1(b: Array) -> Array:
    q = _nibbles(b[:, 8:]) + 16 * _bits(b[:, 4:8])
    return _half(b, 0) * q.astype(F32) + _half(b, 2)


def q8_0(b: Array) -> Array:
    return _half(b, 0) * b[:, 2:].view(np.int8).astype(F32)


def q2_k(b: Array) -> Array:
    scale = np.repeat(_half(b, 80) * (b[:, :16] & 15).astype(F32), 16, axis=1)
    low = np.repeat(_half(b, 82) * (b[:, :16] >> 4).astype(F32), 16, axis=1)
    return scale * _planes(b[:, 16:80], 32, (0, 2, 4, 6), 3).astype(F32) - low


def q3_k(b: Array) -> Array:
    s = b[:, 96:108]
    low = _nibbles(s[:, :8])
    high = np.concatenate([(s[:, 8:] >> shift) & 3 for shift in (0, 2, 4, 6)], axis=1)
    scale = (low | high << 4).astype(F32) - F32(32)
    quant = _planes(b[:, 32:96], 32, (0, 2, 4, 6), 3).astype(F32)
    quant -= 4 * (1 - _planes(b[:, :32], 32, tuple(range(8)), 1).astype(F32))
    return np.repeat(_half(b, 108) * scale, 16, axis=1) * quant


def _scales_k4(b: Array) -> tuple[Array, Array]:
    """Q4_K's and Q5_K's eight 6-bit scales and minima, times d and dmin, for each of 256 values."""
    s = b[:, 4:16]
    a, m, rest = s[:, :4], s[:, 4:8], s[:, 8:]
    scale = np.concatenate([a & 63, (rest & 15) | (a >> 6) << 4], axis=1).astype(F32)
    low = np.concatenate([m & 63, (rest >> 4) | (m >> 6) << 4], axis=1).astype(F32)
    return (np.repeat(_half(b, 0) * scale, 32, axis=1),
            np.repeat(_half(b, 2) * low, 32, axis=1))


def q4_k(b: Array) -> Array:
    scale, low = _scales_k4(b)
    return scale * _planes(b[:, 16:], 32, (0, 4), 15).astype(F32) - low


def q5_k(b: Array) -> Array:
    scale, low = _scales_k4(b)
    high = _planes(b[:, 16:48], 32, tuple(range(8)), 1)
    return scale * (_planes(b[:, 48:], 32, (0, 4), 15) + 16 * high).astype(F32) - low


def q6_k(b: Array) -> Array:
    low = _planes(b[:, :128], 64, (0, 4), 15)
    high = _planes(b[:, 128:192], 32, (0, 2, 4, 6), 3)
    quant = (low + 16 * high).astype(F32) - F32(32)
    scale = b[:, 192:208].copy().view(np.int8).astype(F32)
    return np.repeat(_half(b, 208) * scale, 16, axis=1) * quant


# name -> bytes of a block, where its half floats lie, decoder
FORMATS: dict[str, tuple[int, tuple[int, ...], Callable[[Array], Array]]] = {
    "Q4_0": (18, (0,), q4_0), "Q4_1": (20, (0, 2), q4_1), "Q5_0": (22, (0,), q5_0),
    "Q5_1": (24, (0, 2), q5_1), "Q8_0": (34, (0,), q8_0), "Q2_K": (84, (80, 82), q2_k),
    "Q3_K": (110, (108,), q3_k), "Q4_K": (144, (0, 2), q4_k), "Q5_K": (176, (0, 2), q5_k),
    "Q6_K": (210, (208,), q6_k),
}


def decode(name: str, data: bytes) -> Array:
    size, _, decoder = FORMATS[name]
    return decoder(np.frombuffer(data, np.uint8).reshape(-1, size))
