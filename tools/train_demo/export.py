#!/usr/bin/env python3
"""Checkpoint -> BlinkDL-style .pth and GGUF files.

usage: export.py RUN_FOLDER DATA_FOLDER OUT_FOLDER [--name librwkv-demo]

Writes NAME.pth (bf16), NAME.{f32,f16,bf16,q8_0}.gguf (the last is the one that ships) and NAME.vocab.txt.
"""
import argparse
import pathlib

import torch

import gguf_file
from names import ALWAYS_F32, to_gguf
from vocab import Vocab


def metadata(cfg, vocab, file_type):
    # Entry 0 is a control token; the others are the body of a Python bytes literal.
    body = [repr(s)[2:-1] for s in vocab.strings]
    return {
        "general.architecture": "rwkv7",
        "general.type": "model",
        "general.name": "librwkv demo",
        "general.size_label": "7M",
        "general.license": "mit",
        "general.file_type": file_type,
        "rwkv7.context_length": 1048576,  # no real limit
        "rwkv7.embedding_length": cfg["n_embd"],
        "rwkv7.block_count": cfg["n_layer"],
        "rwkv7.feed_forward_length": cfg["n_ffn"],
        "rwkv7.attention.head_count": 0,
        "rwkv7.wkv.head_size": cfg["head_size"],
        "rwkv7.attention.layer_norm_epsilon": 1e-5,
        "rwkv7.attention.decay_lora_rank": cfg["rank_w"],
        "rwkv7.attention.iclr_lora_rank": cfg["rank_a"],
        "rwkv7.attention.value_residual_mix_lora_rank": cfg["rank_v"],
        "rwkv7.attention.gate_lora_rank": cfg["rank_g"],
        "tokenizer.ggml.model": "rwkv",
        "tokenizer.ggml.tokens": ["<s>"] + body[1:],
        "tokenizer.ggml.token_type": [3] + [1] * (len(body) - 1),
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.eot_token_id": vocab.ids[b"\n\n"],  # a turn ends with a blank line
        "tokenizer.chat_template": "rwkv-world",
    }


def type_of(name, x, kind):
    if x.ndim == 1 or any(s in name for s in ALWAYS_F32):
        return gguf_file.F32
    return gguf_file.F16 if kind == gguf_file.Q8_0 and x.shape[-1] % 32 else kind  # rows of whole blocks


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--name", default="librwkv-demo")
    args = parser.parse_args()

    saved = torch.load(args.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    vocab = Vocab.load(args.data / "vocab.txt")
    weights = {k: v.float() for k, v in saved["model"].items()}
    args.out.mkdir(parents=True, exist_ok=True)
    vocab.save(args.out / f"{args.name}.vocab.txt")
    torch.save({k: v.bfloat16() for k, v in weights.items()}, args.out / f"{args.name}.pth")
    tensors = to_gguf({k: v.numpy() for k, v in weights.items()})
    for label, (kind, file_type) in gguf_file.FILE_TYPES.items():
        typed = {name: (x, type_of(name, x, kind)) for name, x in tensors.items()}
        gguf_file.write(args.out / f"{args.name}.{label}.gguf",
                        metadata(saved["config"], vocab, file_type), typed)
    print(f"{args.out}: {args.name} after {saved['tokens']} tokens")


if __name__ == "__main__":
    main()
