"""Sizes of models: what the published ones have, and sensible figures for all others."""
from __future__ import annotations

import math
from dataclasses import dataclass, field

VERSIONS = ("v4", "v5.0", "v5.1", "v5.2", "v6", "v7", "v7a", "rwkv6qwen2", "arwkv7")
HYBRIDS = ("rwkv6qwen2", "arwkv7")

# (layers, width) -> ranks of w, a, v, g. The rule of _ranks7 gives only some of them.
PUBLISHED_RANKS7 = {
    (12, 768): (64, 64, 32, 128), (24, 1024): (64, 64, 32, 128),
    (24, 2048): (96, 96, 64, 256), (32, 2560): (96, 96, 64, 320),
    (32, 4096): (128, 128, 96, 480), (61, 4096): (192, 192, 128, 384),
}
QWEN_FFN = {1536: 8960, 3584: 18944, 5120: 27648, 8192: 29568}
QWEN_KV_HEADS = {5120: 8, 8192: 8}


@dataclass
class Shape:
    version: str
    n_layer: int
    n_embd: int
    n_vocab: int = 0
    head_size: int = 0
    n_ffn: int = 0
    # v7: w, a, v, g (v7a: and DeepEmbed's); v6: time mix, decay. Empty: as published.
    ranks: tuple[int, ...] = field(default=())
    n_head_kv: int = 0      # rwkv6qwen2
    gate: bool = False      # arwkv7: with a gate
    head_norm: bool = False  # arwkv7: with a group norm
    norm_eps: float = 0.0

    def __post_init__(self) -> None:
        if self.version not in VERSIONS:
            raise ValueError(f"version {self.version} is none of {', '.join(VERSIONS)}")
        self.n_vocab = self.n_vocab or self._usual_vocab()
        self.head_size = self.head_size or self._usual_head_size()
        self.n_ffn = self.n_ffn or self._usual_ffn()
        self.norm_eps = self.norm_eps or (1e-6 if self.hybrid else 1e-5)
        if self.n_embd % self.head_size:
            raise ValueError(f"width {self.n_embd} is no multiple of head size {self.head_size}")
        if self.version == "rwkv6qwen2":
            self.n_head_kv = self.n_head_kv or self._usual_kv_heads()
            if self.n_head % self.n_head_kv:
                raise ValueError(f"{self.n_head_kv} heads of keys for {self.n_head} heads")
        usual = self._usual_ranks()
        if len(self.ranks) > len(usual):
            raise ValueError(f"{self.version} has {len(usual)} ranks, not {len(self.ranks)}")
        self.ranks = tuple(self.ranks) + usual[len(self.ranks):]

    @property
    def n_head(self) -> int:
        return self.n_embd // self.head_size

    @property
    def hybrid(self) -> bool:
        return self.version in HYBRIDS

    def _usual_vocab(self) -> int:
        if self.hybrid:
            return 151936 if self.n_embd <= 1536 else 152064
        return 50277 if self.version == "v4" else 65536

    def _usual_head_size(self) -> int:
        if self.version == "rwkv6qwen2" and self.n_embd >= 2048 and self.n_embd % 128 == 0:
            return 128
        return next(n for n in (64, 32, 16, 8, 4, 2, 1) if self.n_embd % n == 0)

    def _usual_ffn(self) -> int:
        if self.hybrid and self.n_embd in QWEN_FFN:
            return QWEN_FFN[self.n_embd]
        if self.version in ("v4", "v5.0", "v7", "v7a"):
            return 4 * self.n_embd
        return max(32, int(3.5 * self.n_embd) // 32 * 32)

    def _usual_kv_heads(self) -> int:
        if self.n_embd in QWEN_KV_HEADS and self.head_size == 128:
            return QWEN_KV_HEADS[self.n_embd]
        return next(self.n_head // n for n in (4, 2, 1) if self.n_head % n == 0)

    def _usual_ranks(self) -> tuple[int, ...]:
        small = self.n_embd < 512
        if self.version in ("v6", "rwkv6qwen2"):
            if small:
                return (max(8, self.n_embd // 16), max(8, self.n_embd // 8))
            return (64, 128) if self.n_embd >= 4096 else (32, 64)
        if self.version == "arwkv7" and not small:
            return (64, 64, 32, 128)
        if self.version in ("v7", "v7a", "arwkv7"):
            ranks = PUBLISHED_RANKS7.get((self.n_layer, self.n_embd)) or self._ranks7()
            return ranks + ((8 if small else 32,) if self.version == "v7a" else ())
        return ()

    def _ranks7(self) -> tuple[int, ...]:
        if self.n_embd < 512:
            return tuple(max(8, self.n_embd // n) for n in (8, 8, 16, 4))
        root = math.sqrt(self.n_embd)  # the trainer's suggestion
        return tuple(max(32, round(c * root / 32) * 32) for c in (2.5, 2.5, 1.7, 5))
