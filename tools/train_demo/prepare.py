#!/usr/bin/env python3
"""Text -> vocabulary and tokens.

usage: prepare.py TEXT_FOLDER OUT_FOLDER [--vocab-size 4096 | --vocab FILE]

Reads every .txt and .txt.xz right in TEXT_FOLDER (folders below it, such as a held-out one, are
left alone). A text ends with a line `<|endoftext|>`. Files called valid* become valid.bin, all
others train.bin: little-endian uint16 tokens, 0 after each text. The questions and answers of
qa.py become qa.bin.
"""
import argparse
import lzma
import pathlib
import re
import time

import numpy

import qa
from vocab import END_LINE, END_OF_TEXT, Vocab, learn

EXTRA = ("User:", "Assistant:", "\n\n")  # the frame of a chat, whatever the text holds


def read_texts(path):
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as f:
        parts = re.split(rf"^{re.escape(END_LINE)}\n?", f.read(), flags=re.MULTILINE)
    return [p.strip("\n") + "\n" for p in parts if p.strip()]


def encode_all(vocab, texts):
    out = []
    for text in texts:
        out += vocab.encode(text)
        out.append(END_OF_TEXT)
    return numpy.array(out, dtype="<u2")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--vocab", type=pathlib.Path, help="use this one, learn none")
    args = parser.parse_args()
    if args.vocab_size > 65536:
        parser.error("tokens are stored as 16 bits: at most 65536 entries")

    files = sorted(p for p in args.text.iterdir() if p.name.endswith((".txt", ".txt.xz")))
    texts = {"train": [], "valid": [], "qa": qa.texts()}
    for path in files:
        texts["valid" if path.name.startswith("valid") else "train"] += read_texts(path)
    if not texts["train"]:
        raise SystemExit(f"{args.text}: no .txt or .txt.xz file to train on")
    args.out.mkdir(parents=True, exist_ok=True)
    vocab = (Vocab.load(args.vocab) if args.vocab else
             learn(texts["train"] + texts["qa"] * 5, args.vocab_size, EXTRA))
    vocab.save(args.out / "vocab.txt")
    for split, parts in texts.items():
        start = time.time()
        tokens = encode_all(vocab, parts)
        tokens.tofile(args.out / f"{split}.bin")
        n_bytes = sum(len(p.encode()) for p in parts)
        print(f"{split}: {len(parts)} texts, {n_bytes} bytes, {len(tokens)} tokens, "
              f"{n_bytes / max(len(tokens), 1):.2f} bytes a token, {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
