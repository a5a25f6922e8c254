#!/usr/bin/env python3
"""Memory and speed of one very long generation: an RWKV's are constant.

    long_run.py MODEL [-n 100000] [--svg FILE] [--command RWKV]

Runs `rwkv run -n N --ignore-eos` and looks at the process 60 times: resident memory of its own (without the file's pages)
and tokens since the last look, the text's bytes shared out evenly over its tokens. Prints a table of ten lines; --svg draws both curves.
Speed wavers with the machine's other work; what must not happen is a slope.
"""
from __future__ import annotations

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time

import facts

LOOKS = 60


def curve(points: list[tuple[float, float]], top: float, colour: str, label: str, y_label: int) -> str:
    n = points[-1][0]
    line = " ".join(f"{60 + 560 * x / n:.1f},{240 - 200 * y / top:.1f}" for x, y in points)
    return (f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>'
            f'<text x="70" y="{y_label}" fill="{colour}">{label}</text>')


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("-n", "--n-gen", type=int, default=100000)
    p.add_argument("--svg", type=pathlib.Path)
    p.add_argument("--command", type=pathlib.Path, default=facts.COMMAND, help="rwkv (default: %(default)s)")
    a = p.parse_args()
    run = subprocess.Popen([str(a.command), "run", "-m", str(a.model), "-p", "Once upon a time", "-n", str(a.n_gen),
                            "--ignore-eos", "-q", "--seed", "1", "--preset", "creative"], stdout=subprocess.PIPE)
    read = 0

    def drain() -> None:
        nonlocal read
        while piece := run.stdout.read1(65536):
            read += len(piece)

    reader = threading.Thread(target=drain)
    reader.start()
    looks: list[tuple[float, int, float]] = []  # seconds, bytes, MB
    start = time.monotonic()
    while run.poll() is None:
        time.sleep(0.25)
        try:
            looks.append((time.monotonic() - start, read, facts.own_memory(run.pid)))
        except FileNotFoundError:
            break
    reader.join()
    if run.wait() != 0 or len(looks) < 10:
        sys.exit("the run failed, or was too short to be looked at")
    per_byte = a.n_gen / read
    looks = [look for look in looks if look[2] > 0]  # not that of a process that has ended
    step = max(1, len(looks) // LOOKS)
    looks = looks[::step]
    memory = [(b * per_byte, mb) for _, b, mb in looks[1:]]
    speed = [(looks[i][1] * per_byte, (looks[i][1] - looks[i - 1][1]) * per_byte / (looks[i][0] - looks[i - 1][0]))
             for i in range(1, len(looks))]
    print("| tokens | memory, MB | tokens/s |\n|---|---|---|")
    for i in range(0, len(speed), max(1, len(speed) // 10)):
        print(f"| {speed[i][0]:.0f} | {memory[i][1]:.1f} | {speed[i][1]:.0f} |")
    half = len(speed) // 2
    first, second = (statistics.median(v for _, v in part) for part in (speed[:half], speed[half:]))
    print(f"\nmemory {min(m for _, m in memory):.1f} to {max(m for _, m in memory):.1f} MB; "
          f"median speed of the first half {first:.0f}, of the second {second:.0f} tokens/s")
    if a.svg:
        a.svg.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 280" font-family="sans-serif" font-size="12">'
            '<rect width="640" height="280" fill="white"/><path d="M60 40V240H620" fill="none" stroke="black"/>'
            f'<text x="60" y="258">0</text><text x="620" y="258" text-anchor="end">{a.n_gen} tokens</text>'
            + curve(memory, 2 * max(m for _, m in memory), "#c0392b", f"memory: {memory[-1][1]:.1f} MB", 30)
            + curve(speed, 1.3 * max(s for _, s in speed), "#2471a3", f"tokens/s: median {first:.0f}, then {second:.0f}", 16)
            + "</svg>\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
