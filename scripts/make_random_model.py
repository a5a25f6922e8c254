#!/usr/bin/env python3
"""Writes a random model of any RWKV version, in any format and under any names people use.

    make_random_model.py --version v7 --layers 12 --embd 768 --type bf16 OUT.pth
    make_random_model.py --version v6 --layers 24 --embd 2048 --type f16 OUT.gguf
    make_random_model.py --version v7 --layers 12 --embd 768 --names fla --shards 3 OUT_FOLDER

OUT ends in .gguf, .pth, .safetensors, .st (web-rwkv) or .bin (rwkv.cpp); any other name becomes a
Hugging Face folder. Shapes, types and ranks are those of the published model of that depth and
width, if there is one. The model is sane (see rwkv_files/random_weights.py) and the same for a seed
and shape in every format; it knows nothing, of course. rwkv_files/names.py describes the schemes,
also our own GGUF architectures rwkv4 and rwkv5. Needs numpy.

Block types (q8_0 to iq4_xs; for .gguf, q8_0 and q4_0 to q5_1 also for .bin) are the f16 model,
quantized where llama-quantize or rwkv.cpp would: norms, mixes and low-rank matrices stay as they
are, a GGUF's output.weight is q6_k (q8_0 for q8_0). All are rounded to nearest, none is made up:
q8_0, q4_0, q4_1, q5_0 and q5_1 as ggml rounds them, the K and iq4 types more simply and so with a
larger error. Rows that are no multiple of 256 get a type of blocks of 32 instead; those that fit
neither stay f16. The types in the file are printed.
"""
from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from rwkv_files.blocks import BLOCKS
from rwkv_files.model_file import write_model
from rwkv_files.names import SCHEMES
from rwkv_files.quantization import float_type
from rwkv_files.random_weights import random_tensors
from rwkv_files.shapes import VERSIONS, Shape


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(","))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--version", required=True, choices=VERSIONS)
    p.add_argument("--layers", type=int, required=True)
    p.add_argument("--embd", type=int, required=True)
    p.add_argument("--vocab", type=int, default=0)
    p.add_argument("--head-size", type=int, default=0)
    p.add_argument("--kv-heads", type=int, default=0, help="rwkv6qwen2: heads of keys and values")
    p.add_argument("--ffn", type=int, default=0)
    p.add_argument("--ranks", type=numbers, default=(),
                   help="v7: w,a,v,g (v7a: ,s); v6: time mix,decay; the first ones are enough")
    p.add_argument("--gate", action="store_true", help="arwkv7 with a gate")
    p.add_argument("--group-norm", action="store_true", help="arwkv7 with a group norm")
    p.add_argument("--type", choices=("f32", "f16", "bf16", *BLOCKS), default="f16")
    p.add_argument("--relu2-zeros", type=float, metavar="SHARE",
                   help="share of the hidden units of the channel mixing that relu^2 makes zero "
                        "(about 0.5 without; published v7 models: 0.8 to 0.9)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--names", choices=tuple(SCHEMES), default=None)
    p.add_argument("--shards", type=int, default=1)
    p.add_argument("out", type=Path)
    return p


def main() -> int:
    a = parser().parse_args()
    if a.relu2_zeros is not None and not 0 < a.relu2_zeros < 1:
        print("error: --relu2-zeros is a share between 0 and 1", file=sys.stderr)
        return 2
    try:
        shape = Shape(a.version, a.layers, a.embd, a.vocab, a.head_size, a.ffn, a.ranks,
                      a.kv_heads, a.gate, a.group_norm)
        tensors = random_tensors(shape, float_type(a.type), a.seed, a.relu2_zeros)
        tensors = write_model(a.out, tensors, shape, a.type, a.names, a.shards)
    except (ValueError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    count = sum(t.count for t in tensors)
    print(f"{a.out}: {shape.version}, {shape.n_layer} layers x {shape.n_embd}, heads of "
          f"{shape.head_size}, ffn {shape.n_ffn}, vocabulary {shape.n_vocab}, ranks "
          f"{shape.ranks or 'none'}, {count} parameters")
    if a.type in BLOCKS:
        types = Counter(t.dtype for t in tensors)
        print("tensors: " + ", ".join(f"{n} {dtype}" for dtype, n in types.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
