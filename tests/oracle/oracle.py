#!/usr/bin/env python3
"""Float64 oracle of every RWKV version: the formulas, on weights under BlinkDL's names.

    logits, state = run(weights, "v6", tokens)

weights: name -> array, as in a BlinkDL checkpoint: matrices [out, in], low-rank factors (w1, w2,
time_maa_w1, ..., s1, s2) in x out, vectors of any shape. The hybrids have the same names for what
they share, RMS norms ln1, ln2 and ln_out, and ffn.{gate,up,down}.weight.
logits: [T, V], after each token, from the initial state. state: flat, after the last token, layer
after layer: att_shift [C], ffn_shift [C] (not in the hybrids), then
    v4             aa [C], bb [C], pp [C]
    v5, v6, qwen2  wkv [head][key][value]
    v7, arwkv7     wkv [head][value][key]

Versions: v4, v5.0 (no gate), v5.1 (gate, one decay a head), v5.2, v6, v7, v7a, rwkv6qwen2, arwkv7.
Formulas: Peng et al., "RWKV" (2023), "Eagle and Finch" (2024), "RWKV-7 Goose" (2025).
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Sequence

import numpy as np

Array = np.ndarray
HYBRIDS = ("rwkv6qwen2", "arwkv7")
DECAY7 = 0.606531  # exp(-1/2), as the reference code rounds it


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def relu2(x: Array) -> Array:
    return np.square(np.maximum(x, 0.0))


def normalised(x: Array, eps: float) -> Array:
    """Mean 0 and (biased) variance 1 over the last axis."""
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)


def previous(x: Array) -> Array:
    """Row t holds row t - 1, the first one zeros."""
    return np.vstack([np.zeros_like(x[:1]), x[:-1]])


class Part:
    """The weights below one prefix, as float64: matrix product, vector, norms."""

    def __init__(self, weights: Mapping[str, Array], prefix: str = ""):
        self.weights, self.prefix = weights, prefix

    def has(self, name: str) -> bool:
        return self.prefix + name in self.weights

    def __getitem__(self, name: str) -> Array:
        return np.asarray(self.weights[self.prefix + name], np.float64)

    def vec(self, name: str) -> Array:
        return self[name].reshape(-1)

    def linear(self, name: str, x: Array) -> Array:
        y = x @ self[name + ".weight"].T
        return y + self.vec(name + ".bias") if self.has(name + ".bias") else y

    def layer_norm(self, name: str, x: Array, eps: float) -> Array:
        return normalised(x, eps) * self.vec(name + ".weight") + self.vec(name + ".bias")

    def rms_norm(self, name: str, x: Array, eps: float) -> Array:
        return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + eps) * self.vec(name + ".weight")

    def sub(self, prefix: str) -> "Part":
        return Part(self.weights, self.prefix + prefix)


@dataclass
class Options:
    head_norm_eps: float = 64e-5  # rwkv.cpp has 1e-5 in v5
    norm_eps: float = 0.0         # 0: 1e-5, hybrids 1e-6
    head_size: int = 0            # needed by rwkv6qwen2 only: no tensor of it has heads as an axis
    rescale_every: int = 0        # x is halved after so many layers (weights made for it)
    trace: dict | None = None     # receives "hidden": each layer's relu^2 units, "x": the stream
    v_first: Array | None = field(default=None, repr=False)


def wkv56(r: Array, k: Array, v: Array, w: Array, u: Array | None) -> tuple[Array, Array]:
    """All [T, H, N]. S[key, value] <- w S + k v. y reads S + u k v before, or S after (no u)."""
    n_token, n_head, size = r.shape
    S, y = np.zeros((n_head, size, size)), np.empty_like(r)
    for t in range(n_token):
        kv = k[t, :, :, None] * v[t, :, None, :]
        if u is not None:
            y[t] = np.einsum("hk,hkv->hv", r[t], S + u[:, :, None] * kv)
        S = w[t, :, :, None] * S + kv
        if u is None:
            y[t] = np.einsum("hk,hkv->hv", r[t], S)
    return y, S


def head_norm(p: Part, y: Array, eps: float) -> Array:
    """Group norm, a group a head. y [T, H, N] -> [T, C]."""
    flat = normalised(y, eps).reshape(len(y), -1)
    return flat * p.vec("ln_x.weight") + p.vec("ln_x.bias")


def att4(p: Part, h: Array, _: Options) -> tuple[Array, Array]:
    prev = previous(h)
    mixed = {c: h * p.vec("time_mix_" + c) + prev * (1 - p.vec("time_mix_" + c)) for c in "kvr"}
    r = sigmoid(p.linear("receptance", mixed["r"]))
    k, v = p.linear("key", mixed["k"]), p.linear("value", mixed["v"])
    u, w = p.vec("time_first"), -np.exp(p.vec("time_decay"))
    aa, bb, pp = np.zeros(k.shape[1]), np.zeros(k.shape[1]), np.full(k.shape[1], -1e30)
    wkv = np.empty_like(v)
    for t in range(len(h)):
        q = np.maximum(pp, u + k[t])
        old, new = np.exp(pp - q), np.exp(u + k[t] - q)
        wkv[t] = (old * aa + new * v[t]) / (old * bb + new)
        q = np.maximum(pp + w, k[t])
        old, new = np.exp(pp + w - q), np.exp(k[t] - q)
        aa, bb, pp = old * aa + new * v[t], old * bb + new, q
    return p.linear("output", r * wkv), np.concatenate([aa, bb, pp])


def att5(p: Part, h: Array, o: Options) -> tuple[Array, Array]:
    prev = previous(h)

    def mixed(c: str) -> Array:
        return h * p.vec("time_mix_" + c) + prev * (1 - p.vec("time_mix_" + c))

    n_head = p["time_decay"].shape[0]

    def heads(x: Array) -> Array:
        return x.reshape(len(h), n_head, -1)

    r, k, v = (heads(p.linear(m, mixed(m[0]))) for m in ("receptance", "key", "value"))
    w = np.exp(-np.exp(p["time_decay"].reshape(n_head, -1)))
    # Called time_first the tensor holds the logarithm of u.
    u = p["time_faaaa"] if p.has("time_faaaa") else np.exp(p["time_first"])
    y, S = wkv56(r, k, v, np.broadcast_to(w, r.shape),
                 np.broadcast_to(u.reshape(n_head, -1), r.shape[1:]))
    y = head_norm(p, y, o.head_norm_eps)
    if p.has("gate.weight"):
        y = y * silu(p.linear("gate", mixed("g")))
    return p.linear("output", y), S


def att6(p: Part, h: Array, o: Options) -> tuple[Array, Array]:
    d = previous(h) - h
    low = np.tanh((h + d * p.vec("time_maa_x")) @ p["time_maa_w1"]).reshape(len(h), 5, -1)
    xw, xk, xv, xr, xg = (
        h + d * (p.vec("time_maa_" + c) + low[:, i] @ p["time_maa_w2"][i])
        for i, c in enumerate("wkvrg"))
    qwen = not p.has("time_faaaa")
    size = o.head_size if qwen else p["time_faaaa"].shape[1]

    def heads(x: Array) -> Array:
        return x.reshape(len(h), -1, size)

    decay = p.vec("time_decay") + np.tanh(xw @ p["time_decay_w1"]) @ p["time_decay_w2"]
    w = heads(np.exp(-np.exp(decay)))
    r, k, v = (heads(p.linear(m, x)) for m, x in
               (("receptance", xr), ("key", xk), ("value", xv)))
    g = p.linear("gate", xg)
    if qwen:  # a head of keys and values serves several heads; no more enters than decays
        k, v = (np.repeat(x, r.shape[1] // x.shape[1], axis=1) for x in (k, v))
        y, S = wkv56(r, k * (1 - w), v, w, None)
        return p.linear("output", y.reshape(len(h), -1) * size ** -0.5 * sigmoid(g)), S
    y, S = wkv56(r, k, v, w, p["time_faaaa"].reshape(-1, size))
    return p.linear("output", head_norm(p, y, o.head_norm_eps) * silu(g)), S


def att7(p: Part, h: Array, o: Options) -> tuple[Array, Array]:
    d = previous(h) - h
    x = {c: h + d * p.vec("x_" + c) for c in "rwkvag" if p.has("x_" + c)}
    n_head = p["r_k"].shape[0]

    def heads(z: Array) -> Array:
        return z.reshape(len(h), n_head, -1)

    def low_rank(c: str) -> Array:
        inner = x[c] @ p[c + "1"]
        inner = np.tanh(inner) if c == "w" else inner
        return p.vec(c + "0") + inner @ p[c + "2"]

    r, k, v = (p.linear(m, x[m[0]]) for m in ("receptance", "key", "value"))
    w = np.exp(-DECAY7 * sigmoid(low_rank("w")))
    a = sigmoid(low_rank("a"))
    if o.v_first is None:
        o.v_first = v
    else:
        v = v + (o.v_first - v) * sigmoid(low_rank("v"))
    kappa = heads(k * p.vec("k_k"))
    kappa = kappa / np.maximum(np.linalg.norm(kappa, axis=-1, keepdims=True), 1e-12)
    k = k * (1 + (a - 1) * p.vec("k_a"))
    r, w, k, v, a = map(heads, (r, w, k, v, a))
    S, y = np.zeros((n_head, r.shape[-1], r.shape[-1])), np.empty_like(r)
    for t in range(len(h)):
        removed = np.einsum("hvk,hk->hv", S, kappa[t])
        S = (S * w[t, :, None, :] - removed[:, :, None] * (kappa[t] * a[t])[:, None, :]
             + v[t, :, :, None] * k[t, :, None, :])
        y[t] = np.einsum("hvk,hk->hv", S, r[t])
    bonus = (r * k * p["r_k"]).sum(-1, keepdims=True) * v
    y = head_norm(p, y, o.head_norm_eps) if p.has("ln_x.weight") else y.reshape(len(h), -1)
    y = y + bonus.reshape(len(h), -1)
    if "g" in x:
        y = y * (sigmoid(x["g"] @ p["g1"]) @ p["g2"])
    return p.linear("output", y), S


def _hidden(p: Part, xk: Array, o: Options) -> Array:
    hidden = relu2(p.linear("key", xk))
    if o.trace is not None:
        o.trace.setdefault("hidden", []).append(hidden)
    return hidden


def ffn456(p: Part, h: Array, o: Options) -> Array:
    prev = previous(h)
    if p.has("time_maa_k"):  # v6: the weight of the previous token; v4, v5: of the current one
        xk, xr = (h + (prev - h) * p.vec("time_maa_" + c) for c in "kr")
    else:
        xk, xr = (prev + (h - prev) * p.vec("time_mix_" + c) for c in "kr")
    return sigmoid(p.linear("receptance", xr)) * p.linear("value", _hidden(p, xk, o))


def ffn7(p: Part, h: Array, o: Options, tokens: Array, x0: Array) -> Array:
    hidden = _hidden(p, h + (previous(h) - h) * p.vec("x_k"), o)
    if p.has("s_emb.weight"):  # v7a, DeepEmbed
        rank = p["s1"].shape[1]
        embed = p["s_emb.weight"][tokens] + x0 @ p["s_emb_x.weight"].T
        low = np.einsum("ti,tij->tj", h @ p["s1"], embed.reshape(len(h), rank, rank))
        hidden = hidden * (low @ p["s2"] + p.vec("s0"))
    return p.linear("value", hidden)


def swiglu(p: Part, h: Array) -> Array:
    return p.linear("down", silu(p.linear("gate", h)) * p.linear("up", h))


ATTENTION = {"v4": att4, "v5.0": att5, "v5.1": att5, "v5.2": att5, "v6": att6, "v7": att7,
             "v7a": att7, "rwkv6qwen2": att6, "arwkv7": att7}


def run(weights: Mapping[str, Array], version: str, tokens: Sequence[int],
        **options: float) -> tuple[Array, Array]:
    o, ids = Options(**options), np.asarray(tokens, np.int64)
    w, hybrid = Part(weights), version in HYBRIDS
    eps = o.norm_eps or (1e-6 if hybrid else 1e-5)
    norm = Part.rms_norm if hybrid else Part.layer_norm
    x = w["emb.weight"][ids]
    if w.has("blocks.0.ln0.weight"):
        x = w.layer_norm("blocks.0.ln0", x, eps)
    x0, state, layer = x, [], 0
    while w.has(f"blocks.{layer}.ln1.weight"):
        block = w.sub(f"blocks.{layer}.")
        h = norm(block, "ln1", x, eps)
        y, memory = ATTENTION[version](block.sub("att."), h, o)
        x = x + y
        h2 = norm(block, "ln2", x, eps)
        if hybrid:
            x = x + swiglu(block.sub("ffn."), h2)
        elif version in ("v7", "v7a"):
            x = x + ffn7(block.sub("ffn."), h2, o, ids, x0)
        else:
            x = x + ffn456(block.sub("ffn."), h2, o)
        layer += 1
        if o.rescale_every and layer % o.rescale_every == 0:
            x = x * 0.5
        if o.trace is not None:
            o.trace.setdefault("x", []).append(x)
        state += [h[-1]] + ([] if hybrid else [h2[-1]]) + [memory.reshape(-1)]
    return norm(w, "ln_out", x, eps) @ w["head.weight"].T, np.concatenate(state)


def logits(weights: Mapping[str, Array], version: str, tokens: Sequence[int],
           **options: float) -> Array:
    return run(weights, version, tokens, **options)[0]
