#!/usr/bin/env python3
"""Does llama.cpp load the GGUF files that `rwkv convert` writes, and compute the same logits? And whose are better?

    same_logits_in_llama_cpp.py [MODEL ...] [--types F32,F16,Q8_0,Q4_0,Q4_K_M]

Each MODEL (any file that rwkv reads; default: a random v6 and v7 as .pth) is written as GGUF in each type.
llama.cpp (PyPI's llama-cpp-python), our CPU kernels and our double-precision reference read that file, 48 tokens each.
Printed of llama.cpp and of the CPU beside the reference: the largest difference of a logit, and the root mean square of
all differences as a share of the logits' own spread. Exit code 1 when llama.cpp's a file does not load, or its share is above 1e-4 (F32), 1e-2 (F16, BF16) or 0.1 (blocks):
llama.cpp rounds activations to the weights' 16 bits, and to 8 bits before blocks.
"""
from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import facts

TOKENS = [int(i) for i in np.random.default_rng(7).integers(1, 250, 48)]
LIMITS = {"F32": 1e-4, "F16": 1e-2, "BF16": 1e-2}


def call(*arguments: object) -> None:
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{arguments[1]}: {done.stderr.strip() or done.stdout.strip()}")


def theirs(path: pathlib.Path) -> np.ndarray:
    import llama_cpp
    model = llama_cpp.Llama(str(path), n_ctx=512, n_threads=2, logits_all=True, verbose=False)
    model.eval(TOKENS)
    return np.array(model.scores[:len(TOKENS)], dtype=np.float64)


def ours(command: pathlib.Path, path: pathlib.Path, out: pathlib.Path, device: str) -> np.ndarray:
    call(command, "logits", "-m", path, "--device", device, "--all", "--tokens", ",".join(map(str, TOKENS)), "-o", out)
    return np.fromfile(out, "<f4").astype(np.float64).reshape(len(TOKENS), -1)


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="*", metavar="MODEL", type=pathlib.Path)
    p.add_argument("--types", default="F32,F16,Q8_0,Q4_0,Q4_K_M")
    p.add_argument("--command", type=pathlib.Path, default=facts.COMMAND, help="rwkv (default: %(default)s)")
    a = p.parse_args()
    good = True
    print("| model | type | llama.cpp: largest difference | rms / spread of logits | librwkv: largest difference | "
          "rms / spread of logits |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)
        models = a.models
        if not models:
            for version in ("v6", "v7"):
                models.append(here / f"{version}.pth")
                call(sys.executable, facts.ROOT / "scripts/make_random_model.py", "--version", version, "--layers", 3,
                     "--embd", 256, "--type", "f32", models[-1])
        for model in models:
            for kind in a.types.split(","):
                path = here / f"{model.stem}.{kind}.gguf"
                call(a.command, "convert", model, path, "--outtype", kind)
                want = ours(a.command, path, here / "logits", "reference")
                cells = []
                for got in (theirs(path), ours(a.command, path, here / "logits", "cpu")):
                    share = np.sqrt(np.mean((want - got) ** 2)) / want.std()
                    good &= bool(share <= LIMITS.get(kind, 0.1))
                    cells += [f"{np.abs(want - got).max():.2g}", f"{share:.2g}"]
                print(f"| {model.name} | {kind} | {' | '.join(cells)} |", flush=True)
                path.unlink()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
