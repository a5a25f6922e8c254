#!/usr/bin/env python3
"""Do the mixes (Q4_K_M, ...) lose less than a plain type of the same size would?

    mixes.py MODEL TEXT [TEXT ...] [--tokens 8192] [--command RWKV]

MODEL is a trained model in 16 or 32 bits. It is quantized to every plain type of the K family (with the head in Q6_K,
which plain types get as well) and to every mix; each is compared with MODEL on each text by KL divergence. Plain types
give a curve of log KL over file size; a mix is held against the curve at its own size (beyond the last
plain type that is smaller, the line through the two nearest goes on). Exit code 1 when a mix lies above
the curve, by more than the standard error of its KL.
"""
from __future__ import annotations

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import facts

PLAIN = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0"]
MIXES = ["Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M"]


def call(*arguments: object) -> str:
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{arguments[1]}: {done.stderr.strip()}")
    return done.stdout


def on_the_curve(size: int, points: list[tuple[int, float]]) -> float:
    """KL of a plain type of that size: log-linear between the neighbours, or beyond the outermost two."""
    points = sorted(points)
    i = next((i for i, p in enumerate(points) if p[0] >= size), len(points) - 1)
    (s0, k0), (s1, k1) = points[max(i - 1, 0)], points[max(i, 1)]
    return math.exp(math.log(k0) + (math.log(k1) - math.log(k0)) * (size - s0) / (s1 - s0))


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("texts", nargs="+", type=pathlib.Path)
    p.add_argument("--tokens", type=int, default=8192)
    p.add_argument("--command", type=pathlib.Path, default=facts.COMMAND, help="rwkv (default: %(default)s)")
    a = p.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)
        files: dict[str, pathlib.Path] = {}
        for kind in PLAIN:
            files[f"plain {kind}"] = here / f"plain-{kind}.gguf"
            call(a.command, "quantize", a.model, files[f"plain {kind}"], kind, "--pure",
                 "--output-tensor-type", "Q8_0" if kind == "Q8_0" else "Q6_K")
        for kind in MIXES:
            files[kind] = here / f"{kind}.gguf"
            call(a.command, "quantize", a.model, files[kind], kind)
        for text in a.texts:
            base = here / "base"
            common = ["-f", text, "-c", 512, "--chunks", a.tokens // 512, "--json", "--kl-divergence-base", base]
            call(a.command, "perplexity", "-m", a.model, *common)
            found = {name: json.loads(call(a.command, "perplexity", "-m", path, *common, "--kl-divergence"))
                     for name, path in files.items()}
            base.unlink()
            curve = [(files[n].stat().st_size, r["kl_mean"]) for n, r in found.items() if n.startswith("plain")]
            print(f"\n{text.name}\n\n| type | bytes | KL | +- | plain at this size | ratio |\n|---|---|---|---|---|---|")
            for name, r in found.items():
                size, kl, error = files[name].stat().st_size, r["kl_mean"], r["kl_mean_error"]
                plain = on_the_curve(size, curve)
                print(f"| {name} | {size} | {kl:.5f} | {error:.5f} | {plain:.5f} | {kl / plain:.2f} |", flush=True)
                good &= name.startswith("plain") or kl - error <= plain
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
