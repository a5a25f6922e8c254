"""Random models that behave: BlinkDL's names, shapes and orientation, every version.

Each tensor's values depend on the seed, its name and its shape alone, so that all formats of a
seed hold the same model, and are rounded to the file's type at once. Large matrices are rows cut
from a pool of normal numbers at random places, as drawing them all anew would take minutes.

The ranges are chosen so that nothing explodes or vanishes and no part is idle: decays from
almost 1 to almost 0, norms and mixes far from their trivial values, heads of small output so that
the epsilon of the group norm counts, residual contributions of about half the stream's size.
"""
from __future__ import annotations

import math
import zlib
from statistics import NormalDist
from typing import Iterator

import numpy as np

from .shapes import Shape
from .tensors import Tensor, encode, rounded

POOL_SIZE = 1 << 22
PIECE = 1 << 20  # numbers made at a time


class RandomModel:
    def __init__(self, shape: Shape, dtype: str, seed: int, relu2_zeros: float | None = None):
        if relu2_zeros is not None and shape.hybrid:
            raise ValueError(f"{shape.version} has no relu^2 whose zeros could be set")
        self.shape, self.dtype, self.seed, self.zeros = shape, dtype, seed, relu2_zeros
        self.tensors: list[Tensor] = []
        self._pool = self._rng("pool").standard_normal(POOL_SIZE, dtype=np.float32)
        self._build()

    # ---- kinds of tensors

    def _rng(self, name: str) -> np.random.Generator:
        return np.random.Generator(np.random.SFC64([self.seed, zlib.crc32(name.encode())]))

    def _add(self, name: str, values: np.ndarray,
             shape: tuple[int, ...] | None = None) -> np.ndarray:
        values = rounded(np.asarray(values), self.dtype)
        self.tensors.append(Tensor.of(name, values.reshape(shape or values.shape), self.dtype))
        return values

    def _normal(self, name: str, n: int, mean: float, std: float) -> np.ndarray:
        return mean + std * self._rng(name).standard_normal(n)

    def _uniform(self, name: str, n: int, low: float, high: float) -> np.ndarray:
        return self._rng(name).uniform(low, high, n)

    def _mix(self, name: str) -> np.ndarray:
        n = self.shape.n_embd
        return self._add(name, self._uniform(name, n, 0.05, 0.95), (1, 1, n))

    def _spread(self, name: str, n: int, low: float, high: float) -> np.ndarray:
        """Values over [low, high], in random order."""
        rng = self._rng(name)
        return rng.permutation(np.linspace(low, high, n)) + 0.1 * rng.standard_normal(n)

    def _norm(self, name: str, bias: bool = True) -> None:
        n = self.shape.n_embd
        self._add(name + ".weight", self._uniform(name + ".weight", n, 0.5, 1.5))
        if bias:
            self._add(name + ".bias", self._normal(name + ".bias", n, 0.0, 0.15))

    def _matrix(self, name: str, rows: int, cols: int, std: float,
                row_scale: np.ndarray | None = None, lean: np.ndarray | None = None,
                shape: tuple[int, ...] | None = None) -> None:
        """Normal entries of std (times row_scale) plus `lean`, a vector added to every row."""
        dtype, pool, rng_of = self.dtype, self._pool, self._rng

        def pieces() -> Iterator[np.ndarray]:
            rng = rng_of(name)
            starts = rng.integers(0, POOL_SIZE, rows)
            scale = np.float32(std) * rng.choice(np.float32([-1, 1]), rows)
            if row_scale is not None:
                scale = scale * row_scale.astype(np.float32)
            step = max(1, PIECE // cols)
            out = np.empty((min(step, rows), cols), np.float32)
            for first in range(0, rows, step):
                part = out[:min(step, rows - first)]
                for i, start in enumerate(starts[first:first + step].tolist()):
                    if start + cols <= POOL_SIZE:
                        part[i] = pool[start:start + cols]
                    else:
                        part[i] = np.take(pool, np.arange(start, start + cols), mode="wrap")
                part *= scale[first:first + step, None]
                if lean is not None:
                    part += lean
                yield encode(part, dtype).reshape(-1)

        self.tensors.append(Tensor(name, shape or (rows, cols), dtype, pieces))

    def _square(self, name: str, std: float, row_scale: np.ndarray | None = None) -> None:
        n = self.shape.n_embd
        self._matrix(name, n, n, std / math.sqrt(n), row_scale)

    # ---- the model

    def _build(self) -> None:
        s = self.shape
        # Small as in trained models, so that the epsilon of the first norm shows.
        self._matrix("emb.weight", s.n_vocab, s.n_embd, 0.02)
        if not s.hybrid:
            self._norm("blocks.0.ln0")
        att = {"v4": self._att4, "v5.0": self._att5, "v5.1": self._att5, "v5.2": self._att5,
               "v6": self._att6, "rwkv6qwen2": self._att6}.get(s.version, self._att7)
        for i in range(s.n_layer):
            p = f"blocks.{i}."
            self._norm(p + "ln1", bias=not s.hybrid)
            if s.hybrid:
                self._norm(p + "ln2", bias=False)
                att(p + "att.", i)
                self._swiglu(p + "ffn.")
            else:
                self._norm(p + "ln2")
                att(p + "att.", i)
                self._ffn(p)
        self._norm("ln_out", bias=not s.hybrid)
        self._matrix("head.weight", s.n_vocab, s.n_embd, 1.5 / math.sqrt(s.n_embd))

    def _head_scale(self, name: str, low: float) -> np.ndarray:
        """One factor a head from low to 1, as a vector over the channels."""
        s = self.shape
        scale = self._rng(name + "/heads").permutation(np.geomspace(low, 1.0, s.n_head))
        return np.repeat(scale, s.head_size)

    def _att4(self, p: str, _: int) -> None:
        n = self.shape.n_embd
        self._add(p + "time_decay", self._spread(p + "time_decay", n, -6.0, 2.0))
        self._add(p + "time_first", self._normal(p + "time_first", n, 0.3, 0.7))
        for c in "kvr":
            self._mix(p + "time_mix_" + c)
        for m in ("key", "value", "receptance"):
            self._square(f"{p}{m}.weight", 1.0)
        self._square(p + "output.weight", 2.0)

    def _rkv(self, p: str) -> None:
        self._square(p + "receptance.weight", 0.7)
        self._square(p + "key.weight", 0.5)
        # Some heads give so little that the epsilon of the group norm shows.
        self._square(p + "value.weight", 1.0, self._head_scale(p + "value.weight", 0.03))

    def _att5(self, p: str, _: int) -> None:
        s = self.shape
        n, shape = (s.n_embd, (s.n_head, s.head_size)) if s.version == "v5.2" else (s.n_head, None)
        u = "time_faaaa" if s.version == "v5.2" else "time_first"  # time_first: its logarithm
        for c in "kvr" if s.version == "v5.0" else "kvrg":
            self._mix(p + "time_mix_" + c)
        self._add(p + "time_decay", self._spread(p + "time_decay", n, -6.0, 1.0), shape)
        self._add(p + u, self._normal(p + u, n, 0.0, 0.6), shape)
        self._rkv(p)
        if s.version != "v5.0":
            self._square(p + "gate.weight", 1.0)
        self._square(p + "output.weight", 0.5 if s.version == "v5.0" else 0.9)
        self._norm(p + "ln_x")

    def _att6(self, p: str, _: int) -> None:
        s = self.shape
        n, (mix, decay) = s.n_embd, s.ranks
        for c in "xwkvrg":
            self._mix(p + "time_maa_" + c)
        self._matrix(p + "time_maa_w1", n, 5 * mix, 0.7 / math.sqrt(n))
        self._matrix(p + "time_maa_w2", 5 * mix, n, 0.4 / math.sqrt(mix), shape=(5, mix, n))
        self._add(p + "time_decay", self._spread(p + "time_decay", n, -6.0, 1.0), (1, 1, n))
        self._matrix(p + "time_decay_w1", n, decay, 0.7 / math.sqrt(n))
        self._matrix(p + "time_decay_w2", decay, n, 0.8 / math.sqrt(decay))
        if s.version == "v6":
            u = self._normal(p + "time_faaaa", n, 0.3, 0.5)
            self._add(p + "time_faaaa", u, (s.n_head, s.head_size))
            self._rkv(p)
            self._norm(p + "ln_x")
        else:
            n_kv = s.n_head_kv * s.head_size
            for m, rows in (("receptance", n), ("key", n_kv), ("value", n_kv)):
                self._matrix(f"{p}{m}.weight", rows, n, 1.0 / math.sqrt(n))
                self._add(f"{p}{m}.bias", self._normal(f"{p}{m}.bias", rows, 0.1, 0.3))
        self._square(p + "gate.weight", 1.0)
        self._square(p + "output.weight", 0.9 if s.version == "v6" else 2.0)

    def _att7(self, p: str, layer: int) -> None:
        s = self.shape
        n, ranks = s.n_embd, dict(zip("wavg", s.ranks))
        gate = s.gate or not s.hybrid
        if not gate:
            del ranks["g"]
        for c in "rwkvag" if gate else "rwkva":
            self._mix(p + "x_" + c)
        base = {"w": self._spread(p + "w0", n, -6.5, 1.5),
                "a": self._normal(p + "a0", n, -0.3, 0.8),
                "v": self._normal(p + "v0", n, 0.2, 0.7)}
        for c, rank in ranks.items():
            if c == "v" and layer == 0 and s.hybrid:
                continue
            if c in base:
                self._add(f"{p}{c}0", base[c], (1, 1, n))
            self._matrix(f"{p}{c}1", n, rank, 1.0 / math.sqrt(n))
            self._matrix(f"{p}{c}2", rank, n, (1.5 if c == "g" else 0.7) / math.sqrt(rank))
        self._add(p + "k_k", self._normal(p + "k_k", n, 0.8, 0.2), (1, 1, n))
        self._add(p + "k_a", self._uniform(p + "k_a", n, 0.2, 1.1), (1, 1, n))
        r_k = self._normal(p + "r_k", n, 0.0, 0.3)
        self._add(p + "r_k", r_k, (s.n_head, s.head_size))
        self._rkv(p)
        norm = s.head_norm or not s.hybrid
        self._square(p + "output.weight", 0.9 if gate else 0.6)
        if norm:
            self._norm(p + "ln_x")

    def _swiglu(self, p: str) -> None:
        n, f = self.shape.n_embd, self.shape.n_ffn
        self._matrix(p + "gate.weight", f, n, 1.5 / math.sqrt(n))
        self._matrix(p + "up.weight", f, n, 1.0 / math.sqrt(n))
        self._matrix(p + "down.weight", n, f, 0.7 / math.sqrt(f))

    def _ffn(self, block: str) -> None:
        s, p = self.shape, block + "ffn."
        n, f = s.n_embd, s.n_ffn
        gated = not s.version.startswith("v7")
        if gated:
            kind = "time_maa_" if s.version == "v6" else "time_mix_"
            mix = self._mix(p + kind + "k")
            self._mix(p + kind + "r")
        else:
            mix = self._mix(p + "x_k")
        lean, gain = self._lean(block, mix) if self.zeros is not None else (None, 1.0)
        self._matrix(p + "key.weight", f, n, 1.0 / math.sqrt(n), lean=lean)
        if gated:
            self._square(p + "receptance.weight", 1.0)
        self._matrix(p + "value.weight", n, f, (1.0 if gated else 0.5) * gain / math.sqrt(f))
        if s.version == "v7a":
            self._deep_embed(p)

    def _lean(self, block: str, mix: np.ndarray) -> tuple[np.ndarray, float]:
        """Makes a share `zeros` of the hidden units zero.

        ln2's bias gets a part along a direction b of signs; each row of ffn.key gets -c b. The
        input's noise gives a unit the deviation sigma, the bias the mean -c b.x, and c is such
        that the mean lies where the normal distribution has the share below zero. Also returns
        what keeps the size of the output: the mean of relu^4 shrinks with the mean.
        """
        n = mix.size
        b = self._rng(block + "lean").choice([-1.0, 1.0], n)
        at = next(i for i, t in enumerate(self.tensors) if t.name == block + "ln2.bias")
        weight = self.tensors[at - 1].array().astype(np.float64)
        bias = rounded(self.tensors[at].array() + 0.6 * b, self.dtype)
        self.tensors[at] = Tensor.of(block + "ln2.bias", bias, self.dtype)
        alike = 0.25  # correlation of a channel between neighbouring tokens, measured
        shares = mix ** 2 + (1 - mix) ** 2 + 2 * alike * mix * (1 - mix)
        sigma = math.sqrt((weight ** 2 * shares + bias ** 2).sum() / n)
        mean = sigma * NormalDist().inv_cdf(self.zeros)
        lean = (-mean / float((b * bias).sum()) * b).astype(np.float32)
        x = np.linspace(-8, 8, 4001)
        density = np.exp(-x ** 2 / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
        power = (np.maximum(sigma * x - mean, 0) ** 4 * density).sum()
        return lean, math.sqrt(1.5 / max(power, 1e-6))

    def _deep_embed(self, p: str) -> None:
        s = self.shape
        rank = s.ranks[4]
        self._matrix(p + "s_emb.weight", s.n_vocab, rank * rank, 0.7)
        self._matrix(p + "s_emb_x.weight", rank * rank, s.n_embd, 0.7 / math.sqrt(s.n_embd))
        self._matrix(p + "s1", s.n_embd, rank, 1.0 / math.sqrt(s.n_embd))
        self._matrix(p + "s2", rank, s.n_ffn, 0.5 / rank)
        self._add(p + "s0", self._normal(p + "s0", s.n_ffn, 1.0, 0.3))


def random_tensors(shape: Shape, dtype: str, seed: int,
                   relu2_zeros: float | None = None) -> list[Tensor]:
    return RandomModel(shape, dtype, seed, relu2_zeros).tensors
