#!/usr/bin/env python3
"""Checks an export: every file, read back and run token by token, against the training model.

usage: check_export.py RUN_FOLDER DATA_FOLDER OUT_FOLDER [--name librwkv-demo]
"""
import argparse
import pathlib

import numpy
import torch

from model import Config, Rwkv7
from rnn import Rnn, load
from vocab import Vocab

# Largest logit error over the largest logit. f32 is exact but for the order of sums; f16 keeps 11
# bits, bf16 and Q8_0 8 bits of a weight, and errors grow over the layers.
LIMITS = {"f32.gguf": 1e-4, "f16.gguf": 1e-2, "bf16.gguf": 5e-2, "q8_0.gguf": 5e-2, "pth": 5e-2}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("run", "data", "out"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--name", default="librwkv-demo")
    args = parser.parse_args()
    saved = torch.load(args.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    model = Rwkv7(Config(**saved["config"]))
    model.load_state_dict(saved["model"])
    vocab = Vocab.load(args.data / "vocab.txt")
    tokens = numpy.fromfile(args.data / "valid.bin", dtype="<u2")[:100].astype(int).tolist()
    with torch.no_grad():
        want = model(torch.tensor([tokens]))[0].double().numpy()
    good = True
    for kind, limit in LIMITS.items():
        weights, own = load(args.out / f"{args.name}.{kind}", args.out / f"{args.name}.vocab.txt")
        rnn = Rnn(weights)
        state = rnn.empty_state()
        got = numpy.stack([rnn.step(t, state) for t in tokens])
        error = abs(got - want).max() / abs(want).max()
        same = (got.argmax(1) == want.argmax(1)).mean()
        ok = error < limit and own.strings == vocab.strings
        good &= bool(ok)
        print(f"{kind}: error {error:.1e} of the largest logit, limit {limit:.0e}; the same best "
              f"token at {same:.0%} of the places; {'good' if ok else 'BAD'}")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
