#!/usr/bin/env python3
"""What a model costs before it is fast: time to the first token, and memory, also of one more conversation.

    footprint.py MODEL.gguf [MODEL.gguf ...] [-r 5] [-t 2] [--command RWKV] [--library LIBRWKV_SO]

Each file is read once, so that it is cached. Then in turns: one memcpy of the mapped file into memory that is there, and
`rwkv run -n 1` from its start to its end. Memory is the most that process held, without the file's own pages (they are the
kernel's, and go when it wants). One more conversation: what 64 sessions more take when each has read a token, beside their
states.
"""
from __future__ import annotations

import argparse
import ctypes
import mmap
import multiprocessing
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


def session_overhead(library: pathlib.Path, model_path: pathlib.Path) -> float:
    """KB that a session takes beside its state; all threads. To be run in a process of its own."""
    lib = ctypes.CDLL(str(library))
    lib.rwkv_error_text.restype = ctypes.c_char_p
    lib.rwkv_state_size.restype = ctypes.c_size_t
    lib.rwkv_state_size.argtypes = [ctypes.c_void_p]
    token = (ctypes.c_int32 * 1)(1)

    def check(status: int) -> None:
        if status != 0:
            raise RuntimeError(lib.rwkv_error_text().decode())

    def open_sessions(count: int) -> None:
        for _ in range(count):
            session = ctypes.c_void_p()
            check(lib.rwkv_session_open(model, ctypes.byref(session)))
            check(lib.rwkv_session_feed(session, token, ctypes.c_size_t(1), None))

    model, count = ctypes.c_void_p(), 64
    check(lib.rwkv_model_open(str(model_path).encode(), None, ctypes.byref(model)))
    open_sessions(2)  # what the first takes for all
    before = facts.own_memory("self", exact=True)
    open_sessions(count)
    return 1e3 * (facts.own_memory("self", exact=True) - before) / count - 4e-3 * lib.rwkv_state_size(model)


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", metavar="MODEL", type=pathlib.Path)
    p.add_argument("-r", "--rounds", type=int, default=5)
    p.add_argument("-t", "--threads", type=int, default=2)
    p.add_argument("--command", type=pathlib.Path, default=facts.COMMAND, help="rwkv (default: %(default)s)")
    p.add_argument("--library", type=pathlib.Path, default=facts.COMMAND.parent.parent / "lib/librwkv.so",
                   help="librwkv.so (default: %(default)s)")
    a = p.parse_args()
    fresh = multiprocessing.get_context("spawn")  # a process that begins anew, for each model
    print("| model | file, MB | memcpy, s | first token, s | ratio, median (min-max) | memory / file | a session beside its state, KB |")
    print("|---|---|---|---|---|---|---|")
    for model in a.models:
        size = model.stat().st_size / 1e6
        copy_seconds(model)
        copies, firsts, memory = [], [], 0.0
        for _ in range(a.rounds):
            copies.append(copy_seconds(model))
            seconds, most = run([str(a.command), "run", "-m", str(model), "-t", str(a.threads), "-p", "Once", "-n", "1", "--temp", "0"])
            firsts.append(seconds)
            memory = max(memory, most)
        with fresh.Pool(1) as child:
            overhead = child.apply(session_overhead, (a.library, model))
        ratios = sorted(first / copy for first, copy in zip(firsts, copies))
        print(f"| {model.name} | {size:.0f} | {statistics.median(copies):.2f} | {statistics.median(firsts):.2f} | "
              f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}) | {memory / size:.2f} | "
              f"{overhead:.0f} |",
              flush=True)
    print(f"\n{facts.version(a.command)}, {a.threads} threads; {facts.cpu()}; commit {facts.commit()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
