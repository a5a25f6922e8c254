#!/usr/bin/env python3
"""What a model costs before it is fast: time to the first token, and memory.

    footprint.py MODEL.gguf [MODEL.gguf ...] [-r 5] [-t 2] [--command RWKV]

Each file is read once, so that it is cached. Then in turns: one memcpy of the mapped file into memory that is there, and
`rwkv run -n 1` from its start to its end. Memory is the most that process held, without the file's own pages (they are the
kernel's, and go when it wants).
"""
from __future__ import annotations

import argparse
import mmap
import pathlib
import statistics
import subprocess
import time

import facts


def copy_seconds(path: pathlib.Path) -> float:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        target = bytearray(len(data))
        start = time.monotonic()
        target[:] = memoryview(data)
        return time.monotonic() - start


def run(command: list[str]) -> tuple[float, float]:
    """Seconds, and the most MB of its own, looked at every 5 ms."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0.0
    while process.poll() is None:
        most = max(most, facts.own_memory(process.pid))
        time.sleep(0.005)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.monotonic() - start, most


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", metavar="MODEL", type=pathlib.Path)
    p.add_argument("-r", "--rounds", type=int, default=5)
    p.add_argument("-t", "--threads", type=int, default=2)
    p.add_argument("--command", type=pathlib.Path, default=facts.COMMAND, help="rwkv (default: %(default)s)")
    a = p.parse_args()
    print("| model | file, MB | memcpy, s | first token, s | ratio, median (min-max) | memory / file |")
    print("|---|---|---|---|---|---|")
    for model in a.models:
        size = model.stat().st_size / 1e6
        copy_seconds(model)
        copies, firsts, memory = [], [], 0.0
        for _ in range(a.rounds):
            copies.append(copy_seconds(model))
            seconds, most = run([str(a.command), "run", "-m", str(model), "-t", str(a.threads), "-p", "Once", "-n", "1", "--temp", "0"])
            firsts.append(seconds)
            memory = max(memory, most)
        ratios = sorted(first / copy for first, copy in zip(firsts, copies))
        print(f"| {model.name} | {size:.0f} | {statistics.median(copies):.2f} | {statistics.median(firsts):.2f} | "
              f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}) | {memory / size:.2f} |",
              flush=True)
    print(f"\n{facts.version(a.command)}, {a.threads} threads; {facts.cpu()}; commit {facts.commit()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
