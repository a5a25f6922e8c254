#!/usr/bin/env python3
"""Writes docs/real_weights.md: a trained model in numbers, from commands that anyone can run.

    real_weights.py MODEL -f TEXT [-n 100000] [--page docs/real_weights.md]

Zeros after relu^2 of each layer (`rwkv quality`), decoding with and without leaving them out (`rwkv bench`, in turns),
whether reading at once and token by token give the same bits (`rwkv logits`), and one long generation (long_run.py).
"""
from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import facts

ROUNDS = 7


def run(*arguments: str | pathlib.Path) -> str:
    return subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def zeros(a: argparse.Namespace, folder: pathlib.Path) -> str:
    run(a.command, "quality", a.model, "-f", a.text, "-o", folder)
    shutil.copy(folder / "report.svg", a.page.parent / "zeros.svg")
    report = json.loads((folder / "report.json").read_text())
    shares = report["zeros_after_relu2"]
    base = report["types"][0]
    return (f"Perplexity of the first {report['n_scored']} tokens of {a.text.name}: {base['perplexity']:.2f} +- "
            f"{base['perplexity_error']:.2f}.\n\n"
            "## Zeros after relu^2\n\n| layer | " + " | ".join(str(i) for i in range(len(shares))) + " |\n|"
            + "---|" * (len(shares) + 1) + "\n| zeros, % | " + " | ".join(f"{100 * s:.1f}" for s in shares)
            + " |\n\n![zeros of each layer](zeros.svg)\n")


def decode_rate(a: argparse.Namespace, *options: str) -> float:
    rows = run(a.command, "bench", "-m", a.model, "-p", "0", "-n", "128", "-r", "1", "-o", "json", *options)
    return json.loads(rows.splitlines()[0])["tokens_per_s"]


def sparse_gain(a: argparse.Namespace) -> str:
    pairs = [(decode_rate(a), decode_rate(a, "--dense")) for _ in range(ROUNDS)]
    ratios = [sparse / dense for sparse, dense in pairs]
    return ("## Decoding with and without them\n\n| | tokens/s, median |\n|---|---|\n"
            f"| zeros left out | {statistics.median(s for s, _ in pairs):.0f} |\n"
            f"| all read (`--dense`) | {statistics.median(d for _, d in pairs):.0f} |\n"
            f"| ratio, median of {ROUNDS} pairs in turns (min-max) | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f}-{max(ratios):.2f}) |\n\nWeights of {a.model.stat().st_size / 1e6:.0f} MB: where they fit a cache, "
            "reading fewer of them gains little. [performance.md](performance.md) has models that do not.\n")


def same_bits(a: argparse.Namespace, folder: pathlib.Path) -> str:
    text = a.text.read_text(errors="replace")[:4000]
    outputs = []
    for chunk in ("1", "7", "512"):
        out = folder / f"logits-{chunk}"
        run(a.command, "logits", "-m", a.model, "-p", text, "--all", "--chunk", chunk, "-o", out)
        outputs.append(out.read_bytes())
    if len(set(outputs)) != 1:
        sys.exit("logits differ between chunks of 1, 7 and 512 tokens")
    return ("## Reading at once and token by token\n\nThe first 4000 characters, in pieces of 1, 7 and 512 tokens: the "
            f"{len(outputs[0]) // 4} logits are the same, bit for bit.\n")


def long_run(a: argparse.Namespace) -> str:
    script = pathlib.Path(__file__).with_name("long_run.py")
    table = run(sys.executable, script, a.model, "-n", str(a.n_gen), "--svg", a.page.parent / "long_run.svg",
                "--command", a.command)
    return f"## One generation of {a.n_gen} tokens\n\n{table}\n![memory and speed](long_run.svg)\n"


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("-f", "--text", type=pathlib.Path, required=True)
    p.add_argument("-n", "--n-gen", type=int, default=100000)
    p.add_argument("--page", type=pathlib.Path, default=facts.ROOT / "docs/real_weights.md")
    p.add_argument("--command", type=pathlib.Path, default=facts.COMMAND, help="rwkv (default: %(default)s)")
    a = p.parse_args()
    for path in (a.model, a.text, a.command):
        if not path.is_file():
            p.error(f"{path}: no such file")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        parts = [zeros(a, folder), sparse_gain(a), same_bits(a, folder), long_run(a)]
    page = (f"# {a.model.name} in numbers\n\nPerplexity and KL divergence of every type: [quality-demo/report.md](quality-demo/report.md).\n"
            + "\n".join(parts)
            + f"\n---\n\n{facts.version(a.command)}; {facts.cpu()}; {facts.compiler(a.command)}; commit {facts.commit()}; "
              f"{facts.today()}. Written by `{facts.this_command()}`.\n")
    a.page.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
