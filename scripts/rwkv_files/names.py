"""Naming schemes: a model under BlinkDL's names as other programs store it.

blinkdl      .pth of the author, also as safetensors
hf           Hugging Face's early ports of v4, v5 and v6 (rwkv.blocks.N.attention...)
fla          flash-linear-attention's v7; fla-xx: its old form with the six mixes in one tensor
hf-native-a  rwkv7-hf: the keys of fla
hf-native-b  transformers-rwkv: rwkv7.blocks.N.att..., ln0 folded into the embedding
qwen-hf      the hybrids' Hugging Face form
gguf         llama.cpp's; gguf-old: v6 with five separate lerps
rwkv.cpp     its .bin, values transformed as its converter does
web-rwkv     .st: f16, low-rank factors transposed, time_maa called time_mix

GGUF has no name for v4 and v5 in llama.cpp. Ours: architectures "rwkv4" and "rwkv5" with v6's
names where the meaning is the same, and time_mix_lerp_{k,v,r,g}, channel_mix_lerp_{k,r},
time_mix_decay, time_mix_first (v5.2: time_mix_faaaa, as a time_first holds the logarithm of u).
Values and orientation are BlinkDL's, the mixes weigh the current token, nothing is transformed.
"""
from __future__ import annotations

import re
from typing import Callable, Iterator

import numpy as np

from .shapes import Shape
from .tensors import Tensor, decode, stacked

LOW_RANK = re.compile(r"\.(?:[wavg][12]|time_maa_w[12]|time_decay_w[12]|s[12])$")
LAYER = re.compile(r"blocks\.(\d+)\.")


def _transpose_low_rank(t: Tensor) -> Tensor:
    return t.transposed() if LOW_RANK.search(t.name) else t


def _stack(tensors: list[Tensor], suffixes: list[str], name: str,
           shape: Callable[[int, int], tuple[int, ...]]) -> list[Tensor]:
    """Per layer, replaces att.<suffix> for all given (those that exist) by one att.<name>."""
    wanted = {f"att.{s}" for s in suffixes}
    groups: dict[str, list[Tensor]] = {}
    for t in tensors:
        layer = LAYER.match(t.name)
        if layer and t.name[layer.end():] in wanted:
            groups.setdefault(layer.group(), []).append(t)
    out, done = [], set()
    for t in tensors:
        layer = LAYER.match(t.name)
        if not (layer and t.name[layer.end():] in wanted):
            out.append(t)
        elif layer.group() not in done:
            done.add(layer.group())
            parts = sorted(groups[layer.group()],
                           key=lambda p: suffixes.index(p.name.rsplit("att.", 1)[1]))
            out.append(stacked(f"{layer.group()}att.{name}", parts,
                               shape(len(parts), parts[0].count)))
    return out


def _renamed(tensors: list[Tensor], rules: list[tuple[str, str]]) -> list[Tensor]:
    """Applies the first regular expression that matches the whole name."""
    compiled = [(re.compile(pattern), to) for pattern, to in rules]
    out = []
    for t in tensors:
        for pattern, to in compiled:
            if pattern.fullmatch(t.name):
                out.append(t.named(pattern.sub(to, t.name)))
                break
        else:
            raise ValueError(f"tensor {t.name} has no name in this scheme")
    return out


def _without_first_v(tensors: list[Tensor]) -> list[Tensor]:
    return [t for t in tensors if not re.fullmatch(r"blocks\.0\.att\.v[012]", t.name)]


# ---- Hugging Face

HF_MIX = {"k": "key", "v": "value", "r": "receptance", "g": "gate"}


def hf(tensors: list[Tensor], shape: Shape) -> list[Tensor]:
    rules = [(rf"blocks\.(\d+)\.{a}\.time_mix_{c}", rf"rwkv.blocks.\1.{b}.time_mix_{long}")
             for a, b in (("att", "attention"), ("ffn", "feed_forward"))
             for c, long in HF_MIX.items()]
    return _renamed(tensors, rules + [
        (r"emb\.weight", "rwkv.embeddings.weight"),
        (r"ln_out\.(.*)", r"rwkv.ln_out.\1"),
        (r"head\.weight", "head.weight"),
        (r"blocks\.0\.ln0\.(.*)", r"rwkv.blocks.0.pre_ln.\1"),
        (r"blocks\.(\d+)\.(ln[12]\..*)", r"rwkv.blocks.\1.\2"),
        (r"blocks\.(\d+)\.att\.(.*)", r"rwkv.blocks.\1.attention.\2"),
        (r"blocks\.(\d+)\.ffn\.(.*)", r"rwkv.blocks.\1.feed_forward.\2")])


def fla(tensors: list[Tensor], shape: Shape, stack_mixes: bool = False) -> list[Tensor]:
    out = []
    for t in map(_transpose_low_rank, _without_first_v(tensors)):
        one_dim = re.search(r"\.(?:[wav]0|k_k|k_a|ffn\.x_k)$", t.name)
        out.append(t.squeezed() if one_dim else t)
    if stack_mixes:
        out = _stack(out, [f"x_{c}" for c in "rwkvag"], "x_x", lambda n, c: (n, c))
    at = r"blocks\.(\d+)\."
    to = r"model.layers.\1."
    rules = [(at + rf"att\.{m}\.(.*)", to + rf"attn.{n}.\2") for m, n in (
        ("receptance", "r_proj"), ("key", "k_proj"), ("value", "v_proj"), ("output", "o_proj"),
        ("ln_x", "g_norm"))]
    rules += [(at + rf"{m}\.(.*)", to + rf"{n}.\2") for m, n in (
        ("ln0", "pre_norm"), ("ln1", "attn_norm"), ("ln2", "ffn_norm"))]
    return _renamed(out, rules + [
        (r"emb\.weight", "model.embeddings.weight"), (r"ln_out\.(.*)", r"model.norm.\1"),
        (r"head\.weight", "lm_head.weight"),
        (at + r"att\.([wavg])1", to + r"attn.\2_lora.lora.0.weight"),
        (at + r"att\.([wavg])2", to + r"attn.\2_lora.lora.2.weight"),
        (at + r"att\.([wav])0", to + r"attn.\2_lora.lora.2.bias"),
        (at + r"att\.(.*)", to + r"attn.\2"), (at + r"ffn\.(.*)", to + r"ffn.\2")])


def fla_xx(tensors: list[Tensor], shape: Shape) -> list[Tensor]:
    return fla(tensors, shape, stack_mixes=True)


def _with_ln0(emb: Tensor, weight: np.ndarray, bias: np.ndarray, eps: float) -> Tensor:
    def pieces() -> Iterator[np.ndarray]:
        for piece in emb.pieces():
            x = decode(piece).reshape(-1, weight.size).astype(np.float64)
            x -= x.mean(-1, keepdims=True)
            x /= np.sqrt(np.square(x).mean(-1, keepdims=True) + eps)
            yield (x * weight + bias).astype(np.float32).reshape(-1)
    return Tensor(emb.name, emb.shape, emb.dtype, pieces)


def hf_native_b(tensors: list[Tensor], shape: Shape) -> list[Tensor]:
    by_name = {t.name: t for t in tensors}
    ln0 = [by_name[f"blocks.0.ln0.{part}"].array() for part in ("weight", "bias")]
    emb = _with_ln0(by_name["emb.weight"], *ln0, shape.norm_eps)
    out = [emb] + [t for t in tensors if t.name != "emb.weight" and ".ln0." not in t.name]
    return _renamed(out, [(r"emb\.weight", "rwkv7.embeddings.weight"),
                          (r"head\.weight", "head.weight"), (r"(.+)", r"rwkv7.\1")])


def qwen_hf(tensors: list[Tensor], shape: Shape) -> list[Tensor]:
    order = ["wkvrg".index(c) for c in "rkvwg"]  # this form has the five blocks in another order
    out = []
    for t in tensors:
        if t.name.endswith("time_maa_w1"):
            n, five = t.shape
            t = t.mapped(lambda a: a.reshape(n, 5, -1)[:, order].reshape(n, five), t.shape)
        elif t.name.endswith("time_maa_w2"):
            t = t.mapped(lambda a: a[order], t.shape)
        out.append(t)
    at, to = r"blocks\.(\d+)\.", r"model.layers.\1."
    mixer = to + "self_attn."
    rules = [(at + r"att\.(.*)", mixer + r"time_mixer.\2")]
    if shape.version == "rwkv6qwen2":
        rules = [(at + rf"att\.{m}\.(.*)", mixer + rf"{n}.\2") for m, n in (
            ("receptance", "q_proj"), ("key", "k_proj"), ("value", "v_proj"), ("output", "o_proj"))]
        rules.append((at + r"att\.(.*)", mixer + r"\2"))
    return _renamed(out, rules + [
        (r"emb\.weight", "model.embed_tokens.weight"), (r"ln_out\.weight", "model.norm.weight"),
        (r"head\.weight", "lm_head.weight"), (at + r"ln1\.(.*)", to + r"input_layernorm.\2"),
        (at + r"ln2\.(.*)", to + r"post_attention_layernorm.\2"),
        (at + r"ffn\.(gate|up|down)\.(.*)", to + r"mlp.\2_proj.\3")])


# ---- GGUF

ARCHITECTURE = {"v4": "rwkv4", "v5.0": "rwkv5", "v5.1": "rwkv5", "v5.2": "rwkv5", "v6": "rwkv6",
                "v7": "rwkv7", "rwkv6qwen2": "rwkv6qwen2", "arwkv7": "arwkv7"}
ALWAYS_F32 = re.compile(
    r".*(?:_norm|time_mix_(?:first|faaaa|decay|w1|w2|decay_w1|decay_w2|lerp_fused))\.weight")


def _copy_a_as_first_v(tensors: list[Tensor]) -> list[Tensor]:
    """Layer 0 needs no v0, v1, v2; in GGUF they are there, as copies of a0, a1, a2."""
    out = []
    for t in _without_first_v(tensors):
        out.append(t)
        if re.fullmatch(r"blocks\.0\.att\.a[012]", t.name):
            out.append(t.named(t.name.replace("att.a", "att.v")))
    return out


def gguf(tensors: list[Tensor], shape: Shape, fused: bool = True) -> list[Tensor]:
    out = list(map(_transpose_low_rank, tensors))
    if shape.version in ("v7", "arwkv7"):
        out = _copy_a_as_first_v(out)
        out = _stack(out, [f"x_{c}" for c in "rwkvag"], "lerp_fused", lambda n, c: (n, 1, 1, c))
    elif shape.version in ("v6", "rwkv6qwen2") and fused:
        out = _stack(out, [f"time_maa_{c}" for c in "wkvrg"], "lerp_fused",
                     lambda n, c: (n, 1, 1, c))
    out = [t.shaped(t.count) if t.name.endswith("r_k") else
           t.squeezed() if 1 in t.shape and "lerp_fused" not in t.name else t for t in out]
    first = "time_mix_faaaa" if shape.version == "v5.2" else "time_mix_first"
    ffn_norm = "ffn_norm" if shape.hybrid else "attn_norm_2"
    at, to = r"blocks\.(\d+)\.", r"blk.\1."
    out = _renamed(out, [
        (r"emb\.weight", "token_embd.weight"), (r"blocks\.0\.ln0\.(.*)", r"token_embd_norm.\1"),
        (r"ln_out\.(.*)", r"output_norm.\1"), (r"head\.weight", "output.weight"),
        (at + r"ln1\.(.*)", to + r"attn_norm.\2"), (at + r"ln2\.(.*)", to + ffn_norm + r".\2"),
        (at + r"att\.ln_x\.(.*)", to + r"time_mix_ln.\2"),
        (at + r"att\.time_(?:faaaa|first)", to + first + ".weight"),
        (at + r"att\.time_maa_(w[12])", to + r"time_mix_\2.weight"),
        (at + r"att\.time_(?:maa|mix)_(.)", to + r"time_mix_lerp_\2.weight"),
        (at + r"att\.time_(decay.*)", to + r"time_mix_\2.weight"),
        (at + r"ffn\.time_(?:maa|mix)_(.)", to + r"channel_mix_lerp_\2.weight"),
        (at + r"ffn\.x_k", to + "channel_mix_lerp_k.weight"),
        (at + r"ffn\.((?:gate|up|down)\..*)", to + r"ffn_\2"),
        (at + r"ffn\.(.*)", to + r"channel_mix_\2"),
        (at + r"att\.(.*\.(?:weight|bias))", to + r"time_mix_\2"),
        (at + r"att\.(.*)", to + r"time_mix_\2.weight")])
    return [t.typed("f32") if len(t.shape) == 1 or ALWAYS_F32.fullmatch(t.name) else t
            for t in out]


def gguf_old(tensors: list[Tensor], shape: Shape) -> list[Tensor]:
    return gguf(tensors, shape, fused=False)


# ---- rwkv.cpp, web-rwkv

KEPT_F32 = (".time_", ".k_k", ".k_a", ".r_k", ".x_rwkvag", ".x_k", ".w0", ".a0", ".v0")


def rwkv_cpp(tensors: list[Tensor], shape: Shape) -> list[Tensor]:
    out = []
    for t in map(_transpose_low_rank, _without_first_v(tensors)):
        if ".time_" in t.name:
            t = t.squeezed() if t.count > 1 else t.shaped(1)
        if t.name.endswith("att.time_decay"):
            t = _rwkv_cpp_decay(t, shape)
        elif t.name.endswith("att.time_faaaa"):
            t = t.shaped(shape.n_head, shape.head_size, 1)
        elif t.name.endswith("att.time_first") and shape.version != "v4":
            t = t.mapped(np.exp, (shape.n_head, 1, 1))
        out.append(t)
    out = _stack(out, [f"x_{c}" for c in "rwkvag"], "x_rwkvag", lambda n, c: (n, 1, c))
    return [t.typed("f32") if len(t.shape) < 2 or any(s in t.name for s in KEPT_F32) else t
            for t in out]


def _rwkv_cpp_decay(t: Tensor, shape: Shape) -> Tensor:
    if shape.version == "v4":
        return t.mapped(lambda x: -np.exp(x), t.shape)
    if shape.version == "v6":
        return t.shaped(shape.n_head, shape.head_size, 1)
    last = shape.head_size if shape.version == "v5.2" else 1
    return t.mapped(lambda x: np.exp(-np.exp(x)), (shape.n_head, last, 1))


def web_rwkv(tensors: list[Tensor], shape: Shape) -> list[Tensor]:
    out = []
    for t in map(_transpose_low_rank, tensors):
        name = t.name.lower().replace("time_faaaa", "time_first").replace("time_maa", "time_mix")
        out.append(t.named(name).typed("f16"))
    return out


SCHEMES: dict[str, tuple[Callable[[list[Tensor], Shape], list[Tensor]], tuple[str, ...]]] = {
    "blinkdl": (lambda tensors, _: tensors, ("v4", "v5.0", "v5.1", "v5.2", "v6", "v7", "v7a")),
    "hf": (hf, ("v4", "v5.0", "v5.1", "v5.2", "v6")),
    "fla": (fla, ("v7",)),
    "fla-xx": (fla_xx, ("v7",)),
    "hf-native-a": (fla, ("v7",)),
    "hf-native-b": (hf_native_b, ("v7",)),
    "qwen-hf": (qwen_hf, ("rwkv6qwen2", "arwkv7")),
    "gguf": (gguf, tuple(ARCHITECTURE)),
    "gguf-old": (gguf_old, ("v6", "rwkv6qwen2")),
    "rwkv.cpp": (rwkv_cpp, ("v4", "v5.0", "v5.1", "v5.2", "v6", "v7")),
    # v5.0 and v5.1 are left out: how its converter treats their time_first is not known here.
    "web-rwkv": (web_rwkv, ("v4", "v5.2", "v6", "v7")),
}


def under_names(scheme: str, tensors: list[Tensor], shape: Shape) -> list[Tensor]:
    """The tensors of a model (BlinkDL's names) under another scheme's names."""
    if scheme not in SCHEMES:
        raise ValueError(f"naming scheme {scheme} is none of {', '.join(SCHEMES)}")
    convert, versions = SCHEMES[scheme]
    if shape.version not in versions:
        raise ValueError(f"naming scheme {scheme} has no {shape.version}, only "
                         f"{', '.join(versions)}")
    return convert(tensors, shape)
