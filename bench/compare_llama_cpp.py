#!/usr/bin/env python3
"""The same GGUF files in llama.cpp and here: same threads, runs in turns, ratios with their spread.

    compare_llama_cpp.py MODEL.gguf [MODEL.gguf ...] [-t 2] [-p 128] [-n 32] [-r 3] [-o md|json] [--wait 20] [--activations s8]

llama.cpp comes from PyPI's llama-cpp-python, which this script alone needs and which compiles it for the
machine it is installed on. Every measurement is a process of its own (ours, theirs, ours, ...), so that
neither's memory or threads stand beside the other's. Within it both do the same: a prompt of -p tokens
with the logits of the last, and -n single tokens with the likeliest as the next one, each twice, of which
the faster counts: the first one grows buffers and reads pages. A ratio belongs to one round. Each run waits
(--wait seconds at most) until other processes are quiet; what they took all the same stands below the table.
"""
from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import facts

BATCH = 512  # tokens that llama.cpp takes at once: its default
TRIES = 2
SETTLE = 4  # steps that are not timed, as in `rwkv bench`
TIMEOUT = 900  # seconds of one measurement


def parse_arguments() -> argparse.Namespace:
    p = common_arguments(__doc__)
    p.add_argument("-o", "--output", choices=("md", "json"), default="md")
    p.add_argument("--llama-cpp-alone", action="store_true", help=argparse.SUPPRESS)  # one of its measurements
    return p.parse_args()


def common_arguments(about: str) -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", metavar="MODEL.gguf", type=pathlib.Path)
    p.add_argument("-t", "--threads", type=positive, default=2)
    p.add_argument("-p", "--n-prompt", type=positive, default=128)
    p.add_argument("-n", "--n-gen", type=positive, default=32)
    p.add_argument("-r", "--rounds", type=positive, default=3, help="repetitions, in turns")
    p.add_argument("--wait", type=float, default=20, help="seconds to wait for quiet before each run")
    p.add_argument("--activations", choices=("s8", "s16"),
                   help="ours: width of quantized activations (default: rwkv's own; llama.cpp has 8 bits)")
    p.add_argument("--command", type=pathlib.Path, default=facts.COMMAND, help="rwkv (default: %(default)s)")
    return p


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")
    return value


# --- one measurement: {"prefill": tokens/s, "decode": tokens/s, "about": text} ---

def measure_ours(model: pathlib.Path, a: argparse.Namespace) -> dict:
    out = run([str(a.command), "bench", "-m", str(model), "-t", str(a.threads), "-p", str(a.n_prompt),
               "-n", str(a.n_gen), "-r", str(TRIES), "-o", "json", *activations(a)], model)
    prefill, decode = (json.loads(line) for line in out.splitlines())
    return {"prefill": prefill["max"], "decode": decode["max"], "about": prefill["device"]}


def activations(a: argparse.Namespace) -> list[str]:
    return ["--activations", a.activations] if a.activations else []


def measure_theirs(model: pathlib.Path, a: argparse.Namespace) -> dict:
    out = run([sys.executable, __file__, "--llama-cpp-alone", str(model), "-t", str(a.threads),
               "-p", str(a.n_prompt), "-n", str(a.n_gen)], model)
    return json.loads(out.splitlines()[-1])


def in_turn(measure: Callable, model: pathlib.Path, a: argparse.Namespace) -> dict:
    facts.wait_for_quiet(a.wait)
    with facts.Neighbours() as others:
        result = measure(model, a)
    return {**result, "others": others.share}


def run(command: list[str], model: pathlib.Path) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{model}: {pathlib.Path(command[0]).name} took more than {TIMEOUT} s")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise SystemExit(f"{model}: {last}")
    return done.stdout


class LlamaCpp:
    """llama.cpp's C functions: a model and a context on the CPU, as a greedy caller uses them."""

    def __init__(self, path: pathlib.Path, a: argparse.Namespace) -> None:
        import llama_cpp
        self.api = api = llama_cpp
        self.errors: list[str] = []
        self.log = api.llama_log_callback(self.keep_error)  # must live as long as the library calls it
        api.llama_log_set(self.log, None)
        api.llama_backend_init()
        options = api.llama_model_default_params()
        options.n_gpu_layers = 0
        self.model = api.llama_model_load_from_file(str(path).encode(), options)
        if not self.model:
            raise SystemExit(f"llama.cpp: {self.errors[0] if self.errors else 'cannot load it'}")
        options = api.llama_context_default_params()
        options.n_ctx = max(a.n_prompt, a.n_gen + 1) + 8
        options.n_batch = options.n_ubatch = BATCH
        options.n_threads = options.n_threads_batch = a.threads
        self.context = api.llama_init_from_model(self.model, options)
        if not self.context:
            raise SystemExit(f"llama.cpp: {self.errors[0] if self.errors else 'no context'}")
        self.n_vocab = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self.model))

    def keep_error(self, level: int, text: bytes, _user: object) -> None:
        if level == 4:  # GGML_LOG_LEVEL_ERROR
            self.errors.append(text.decode(errors="replace").strip())

    def forget(self) -> None:
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)

    def decode(self, batch: object) -> None:
        if self.api.llama_decode(self.context, batch) != 0:
            raise SystemExit(f"llama.cpp: {self.errors[-1] if self.errors else 'llama_decode failed'}")

    def prompt(self, n: int) -> list:
        """Batches of a prompt of n tokens, the tokens that `rwkv bench` reads; logits for the last alone."""
        batches = []
        for begin in range(0, n, BATCH):
            end = min(begin + BATCH, n)
            batch = self.api.llama_batch_init(end - begin, 0, 1)
            batch.n_tokens = end - begin
            for i in range(begin, end):
                batch.token[i - begin] = (i * 7919 + 1) % self.n_vocab
                batch.pos[i - begin] = i
                batch.n_seq_id[i - begin] = 1
                batch.seq_id[i - begin][0] = 0
                batch.logits[i - begin] = i == n - 1
            batches.append(batch)
        return batches

    def prefill_rate(self, n: int) -> float:
        self.forget()
        batches = self.prompt(n)
        start = time.perf_counter()
        for batch in batches:
            self.decode(batch)
        self.likeliest()  # waits for the result
        seconds = time.perf_counter() - start
        for batch in batches:
            self.api.llama_batch_free(batch)
        return n / seconds

    def likeliest(self) -> int:
        import numpy
        logits = self.api.llama_get_logits_ith(self.context, -1)
        return int(numpy.ctypeslib.as_array(logits, shape=(self.n_vocab,)).argmax())

    def decode_rate(self, n: int) -> float:
        self.forget()
        token = (ctypes.c_int32 * 1)(1)

        def step() -> None:
            self.decode(self.api.llama_batch_get_one(token, 1))
            token[0] = self.likeliest()
        for _ in range(SETTLE):
            step()
        start = time.perf_counter()
        for _ in range(n):
            step()
        return n / (time.perf_counter() - start)


def measure_here(path: pathlib.Path, a: argparse.Namespace) -> dict:
    llama = LlamaCpp(path, a)
    parts = [part.strip() for part in llama.api.llama_print_system_info().decode().split("|")]
    features = [part.split(":")[-1].split("=")[0].strip() for part in parts if part.endswith("= 1")]
    return {"prefill": max(llama.prefill_rate(a.n_prompt) for _ in range(TRIES)),
            "decode": max(llama.decode_rate(a.n_gen) for _ in range(TRIES)),
            "about": f"llama.cpp {llama.api.llama_version().decode()}, {' '.join(features)}"}


# --- the comparison ---

def compare(models: list[pathlib.Path], a: argparse.Namespace) -> dict:
    """Rows {"model", "test", "ours", "theirs", "ratio"}: the last three a value each round."""
    rows, about, others = [], {}, {"librwkv": [], "llama_cpp": []}
    for model in models:
        ours, theirs = [], []
        for i in range(a.rounds):
            ours.append(in_turn(measure_ours, model, a))
            theirs.append(in_turn(measure_theirs, model, a))
            print(f"{model.name}: round {i + 1} of {a.rounds}", file=sys.stderr)
        for who, runs in (("librwkv", ours), ("llama_cpp", theirs)):
            others[who] += [run["others"] for run in runs]
        about = {"librwkv": ours[0]["about"], "llama_cpp": theirs[0]["about"]}
        for test, name in ((f"pp{a.n_prompt}", "prefill"), (f"tg{a.n_gen}", "decode")):
            ratios = [mine[name] / other[name] for mine, other in zip(ours, theirs)]
            rows.append({"model": model.name, "test": test, "ours": [m[name] for m in ours],
                         "theirs": [m[name] for m in theirs], "ratio": ratios})
    import importlib.metadata
    return {"rows": rows, "cpu": facts.cpu(), "date": facts.today(), "threads": a.threads, "rounds": a.rounds,
            "others": others,
            "librwkv": f"{facts.version(a.command)}, {about['librwkv']}"
                       + (f", activations {a.activations}" if a.activations else ""),
            "llama_cpp": f"llama-cpp-python {importlib.metadata.version('llama-cpp-python')} "
                         f"({about['llama_cpp']})"}


def spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def markdown(result: dict) -> str:
    lines = ["| model | test | librwkv, tokens/s | llama.cpp, tokens/s | ratio, median (min-max) |",
             "|---|---|---|---|---|"]
    lines += [f"| {r['model']} | {r['test']} | {spread(r['ours'], 1)} | {spread(r['theirs'], 1)} "
              f"| {spread(r['ratio'], 2)} |" for r in result["rows"]]
    return "\n".join(lines)


def disturbance(result: dict) -> str:
    def of(who: str) -> str:
        shares = [100 * share for share in result["others"][who]]
        return f"{statistics.median(shares):.0f} % ({min(shares):.0f}-{max(shares):.0f})"
    return (f"other processes took {of('librwkv')} of the machine while librwkv ran and {of('llama_cpp')} "
            "while llama.cpp ran")


def check(models: list[pathlib.Path], command: pathlib.Path, needs_llama_cpp: bool = True) -> None:
    if needs_llama_cpp and importlib.util.find_spec("llama_cpp") is None:
        raise SystemExit("llama-cpp-python is not installed: pip install llama-cpp-python "
                         "(compiles for several minutes)")
    if not command.is_file():
        raise SystemExit(f"{command}: not found; cmake --preset release && cmake --build --preset release")
    for model in models:
        if not model.is_file():
            raise SystemExit(f"{model}: not found")


def main() -> None:
    a = parse_arguments()
    if a.llama_cpp_alone:
        print(json.dumps(measure_here(a.models[0], a)))
        return
    check(a.models, a.command)
    result = compare(a.models, a)
    if a.output == "json":
        print(json.dumps(result, indent=1))
        return
    print(markdown(result))
    print(f"\n{result['librwkv']}; {result['llama_cpp']}; {result['cpu']}; {a.threads} threads, "
          f"{a.rounds} rounds in turns; {disturbance(result)}; {result['date']}; `{facts.this_command()}`")


if __name__ == "__main__":
    main()
