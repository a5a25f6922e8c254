"""ggml's block formats: plain round-to-nearest quantizers over float32 blocks.

Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 round as ggml's reference does. The K types and the IQ4 types take
the scale of a group from its largest value or range, without ggml's search for a better one, so
their error is somewhat larger. A signed `top` is the value of largest magnitude: it gets the lowest
quant, as that side reaches one further.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterator

import numpy as np

CHUNK = 1 << 16  # values quantized at a time: fits the cache
NL = np.float32([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])
NEAREST_NL = np.abs(np.arange(-128, 128)[:, None] - NL).argmin(1).astype(np.uint8)


def _inverse(x: np.ndarray) -> np.ndarray:
    """1/x, and 0 for 0 and where 1/x overflows."""
    return np.float32(1) / np.where(np.abs(x) < 1e-37, np.float32(np.inf), x)


def _half(x: np.ndarray) -> np.ndarray:
    """float32 [n] -> the bytes of halfs [n, 2]"""
    return x.astype("<f2").view(np.uint8).reshape(-1, 2)


def _as_half(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float16).astype(np.float32)


def _top(x: np.ndarray) -> np.ndarray:
    high, low = x.max(-1), x.min(-1)
    return np.where(high > -low, high, low)


def _rounded(x: np.ndarray, low: int, high: int) -> np.ndarray:
    """Quants low..high as uint8 from 0; `x` is overwritten."""
    np.rint(x, out=x)
    np.clip(x, low, high, out=x)
    x -= low
    return x.astype(np.uint8)


def _joined(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([p.reshape(len(p), -1) for p in parts], 1)


def _nibbles(q: np.ndarray) -> np.ndarray:
    """[n, 2m] -> [n, m]: the first half of the values low, the second high"""
    half = q.shape[-1] // 2
    return (q[..., :half] & 15) | (q[..., half:] << 4)


def _pairs_of_bits(q: np.ndarray) -> np.ndarray:
    """[n, m, 4, k], 0..3 -> [n, m, k]"""
    return q[:, :, 0] | q[:, :, 1] << 2 | q[:, :, 2] << 4 | q[:, :, 3] << 6


# ---- blocks of 32 values: [n, 32] -> bytes

def _q8_0(x: np.ndarray) -> np.ndarray:
    d = np.abs(_top(x)) / np.float32(127)
    q = x * _inverse(d)[:, None]
    q += np.copysign(np.float32(0.5), q)  # halves away from zero, as ggml
    return _joined(_half(d), q.astype(np.int8).view(np.uint8))


def _symmetric(x: np.ndarray, low: int) -> tuple[np.ndarray, np.ndarray]:
    d = _top(x) / np.float32(low)
    q = x * _inverse(d)[:, None]
    q += np.float32(0.5 - low)  # positive, so that truncation rounds
    return _half(d), np.minimum(q, -2 * low - 1, out=q).astype(np.uint8)


def _ranged(x: np.ndarray, high: int) -> tuple[np.ndarray, np.ndarray]:
    low = x.min(1)
    d = (x.max(1) - low) / np.float32(high)
    q = (x - low[:, None]) * _inverse(d)[:, None]
    q += np.float32(0.5)
    q = np.minimum(q, high, out=q).astype(np.uint8)
    return np.concatenate([_half(d), _half(low)], 1), q


def _fifth_bits(q: np.ndarray) -> np.ndarray:
    return np.packbits(q >> 4, axis=1, bitorder="little")


def _q4_0(x: np.ndarray) -> np.ndarray:
    scale, q = _symmetric(x, -8)
    return _joined(scale, _nibbles(q))


def _q4_1(x: np.ndarray) -> np.ndarray:
    scales, q = _ranged(x, 15)
    return _joined(scales, _nibbles(q))


def _q5_0(x: np.ndarray) -> np.ndarray:
    scale, q = _symmetric(x, -16)
    return _joined(scale, _fifth_bits(q), _nibbles(q))


def _q5_1(x: np.ndarray) -> np.ndarray:
    scales, q = _ranged(x, 31)
    return _joined(scales, _fifth_bits(q), _nibbles(q))


def _iq4_nl(x: np.ndarray) -> np.ndarray:
    d = _top(x) / NL[0]
    return _joined(_half(d), _nibbles(NEAREST_NL[_rounded(x * _inverse(d)[:, None], -128, 127)]))


# ---- blocks of 256 values: [n, 256] -> bytes

def _scaled_groups(x: np.ndarray, groups: int, low: int,
                   low_scale: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x = d * scale * q: d [n], scale - low_scale [n, groups] as uint8, q [n, groups, values]"""
    x = x.reshape(len(x), groups, -1)
    scales = _top(x) / np.float32(low)
    d = _as_half(_top(scales) / np.float32(low_scale))
    sc = _rounded(scales * _inverse(d)[:, None], low_scale, -low_scale - 1)
    step = d[:, None] * (sc.astype(np.float32) + np.float32(low_scale))
    return d, sc, x * _inverse(step)[:, :, None]


def _ranged_groups(x: np.ndarray, groups: int, high: int, high_scale: int) -> tuple[
        np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x = d * scale * q - dmin * min: d, dmin [n], scale, min [n, groups], q [n, 256]"""
    x = x.reshape(len(x), groups, -1)
    low = np.minimum(x.min(2), 0)
    scales = np.maximum(x.max(2) - low, 0) / np.float32(high)
    d = _as_half(scales.max(1) / np.float32(high_scale))
    dmin = _as_half(-low.min(1) / np.float32(high_scale))
    sc = _rounded(scales * _inverse(d)[:, None], 0, high_scale)
    mn = _rounded(-low * _inverse(dmin)[:, None], 0, high_scale)
    q = x + (dmin[:, None] * mn)[:, :, None]
    q *= _inverse(d[:, None] * sc)[:, :, None]
    return d, dmin, sc, mn, _rounded(q, 0, high).reshape(len(x), 256)


def _q2_k(x: np.ndarray) -> np.ndarray:
    d, dmin, sc, mn, q = _ranged_groups(x, 16, 3, 15)
    return _joined(sc | mn << 4, _pairs_of_bits(q.reshape(-1, 2, 4, 32)), _half(d), _half(dmin))


def _q3_k(x: np.ndarray) -> np.ndarray:
    d, sc, q = _scaled_groups(x, 16, -4, -32)
    q = _rounded(q, -4, 3)
    high = np.packbits((q >> 2).reshape(-1, 8, 32), axis=1, bitorder="little")
    planes = _pairs_of_bits((q & 3).reshape(-1, 2, 4, 32))
    high_scales = _pairs_of_bits((sc >> 4).reshape(-1, 1, 4, 4))
    return _joined(high, planes, _nibbles(sc), high_scales, _half(d))


def _six_bit_pairs(sc: np.ndarray, mn: np.ndarray) -> np.ndarray:
    """Scales and minima [n, 8] -> [n, 12]"""
    return _joined(sc[:, :4] | sc[:, 4:] >> 4 << 6, mn[:, :4] | mn[:, 4:] >> 4 << 6,
                   (sc[:, 4:] & 15) | mn[:, 4:] << 4)


def _q4_k(x: np.ndarray) -> np.ndarray:
    d, dmin, sc, mn, q = _ranged_groups(x, 8, 15, 63)
    return _joined(_half(d), _half(dmin), _six_bit_pairs(sc, mn), _nibbles(q.reshape(-1, 4, 64)))


def _q5_k(x: np.ndarray) -> np.ndarray:
    d, dmin, sc, mn, q = _ranged_groups(x, 8, 31, 63)
    high = np.packbits((q >> 4).reshape(-1, 8, 32), axis=1, bitorder="little")
    return _joined(_half(d), _half(dmin), _six_bit_pairs(sc, mn), high,
                   _nibbles(q.reshape(-1, 4, 64)))


def _q6_k(x: np.ndarray) -> np.ndarray:
    d, sc, q = _scaled_groups(x, 16, -32, -128)
    q = _rounded(q, -32, 31)
    high = _pairs_of_bits((q >> 4).reshape(-1, 2, 4, 32))
    return _joined(_nibbles(q.reshape(-1, 2, 128)), high, sc ^ 128, _half(d))


def _iq4_xs(x: np.ndarray) -> np.ndarray:
    d, sc, q = _scaled_groups(x, 8, int(NL[0]), -32)
    nibbles = _nibbles(NEAREST_NL[_rounded(q, -128, 127)])
    high = _pairs_of_bits((sc >> 4).reshape(-1, 2, 4, 1))
    return _joined(_half(d), high, (sc[:, ::2] & 15) | sc[:, 1::2] << 4, nibbles)


# ---- all of them

@dataclass(frozen=True)
class Block:
    n_values: int
    n_bytes: int
    quantize: Callable[[np.ndarray], np.ndarray]


BLOCKS = {
    "q8_0": Block(32, 34, _q8_0), "q4_0": Block(32, 18, _q4_0), "q4_1": Block(32, 20, _q4_1),
    "q5_0": Block(32, 22, _q5_0), "q5_1": Block(32, 24, _q5_1), "q2_k": Block(256, 84, _q2_k),
    "q3_k": Block(256, 110, _q3_k), "q4_k": Block(256, 144, _q4_k),
    "q5_k": Block(256, 176, _q5_k), "q6_k": Block(256, 210, _q6_k),
    "iq4_nl": Block(32, 18, _iq4_nl), "iq4_xs": Block(256, 136, _iq4_xs),
}


def quantized(values: np.ndarray, dtype: str) -> Iterator[np.ndarray]:
    """float32 values, whole blocks -> the bytes [n, n_bytes] of their blocks, in pieces."""
    block = BLOCKS[dtype]
    for first in range(0, values.size, CHUNK):
        yield block.quantize(values[first:first + CHUNK].reshape(-1, block.n_values))
