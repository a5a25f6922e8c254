#!/usr/bin/env python3
"""The same random weights in every format and under every naming scheme give the same logits.

usage: same_weights_test.py RWKV_COMMAND MAKE_RANDOM_MODEL_SCRIPT
Exit 0: all equal; 1: a difference, with a sentence each; 77: numpy is missing (skipped).
"""
import itertools
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not here")
    sys.exit(77)

FILES = {  # version -> (name of the file, naming scheme); the first is compared with
    "v4": [("a.pth", None), ("b.safetensors", None), ("hf", "hf"), ("c.gguf", None), ("d.bin", None)],
    "v5.0": [("a.pth", None), ("b.safetensors", None), ("hf", "hf"), ("c.gguf", None), ("d.bin", None)],
    "v5.1": [("a.pth", None), ("b.safetensors", None), ("hf", "hf"), ("c.gguf", None)],
    "v5.2": [("a.pth", None), ("b.safetensors", None), ("hf", "hf"), ("c.gguf", None), ("d.bin", None)],
    "v6": [("a.pth", None), ("b.safetensors", None), ("hf", "hf"), ("c.gguf", None),
           ("old.gguf", "gguf-old"), ("d.bin", None)],
    "v7": [("a.pth", None), ("b.safetensors", None), ("c.gguf", None), ("d.bin", None),
           ("fla", "fla"), ("fla-xx", "fla-xx"), ("native-a", "hf-native-a"),
           ("native-b", "hf-native-b"), ("sharded", "fla")],
    "rwkv6qwen2": [("c.gguf", None), ("hf", "qwen-hf")],
    "arwkv7": [("c.gguf", None), ("hf", "qwen-hf")],
}
TOKENS = ",".join(str(7 * i % 90) for i in range(1, 24))
# rwkv.cpp's files hold decays after exp, and a folded embedding went through f32: one rounding each.
TOLERANCE = 2e-5


def logits(command: str, model: pathlib.Path, out: pathlib.Path) -> "np.ndarray":
    run = subprocess.run([command, "logits", "-m", str(model), "--device", "reference", "--tokens",
                          TOKENS, "--all", "-o", str(out)], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.strip())
    return np.fromfile(out, np.float32)


def main() -> int:
    command, script = sys.argv[1:3]
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for version, dtype in itertools.product(FILES, ("f32", "f16", "bf16")):
            first = None
            for name, scheme in FILES[version]:
                if dtype == "bf16" and name.endswith(".bin"):
                    continue  # rwkv.cpp has no such type
                if dtype != "f32" and scheme == "hf-native-b":
                    continue  # its folded embedding is rounded again
                model = pathlib.Path(folder) / f"{version}-{dtype}-{name}"
                subprocess.run([sys.executable, script, "--version", version, "--layers", "2",
                                "--embd", "64", "--head-size", "16", "--vocab", "97", "--type", dtype]
                               + (["--names", scheme] if scheme else [])
                               + (["--shards", "3"] if name == "sharded" else []) + [str(model)],
                               check=True, capture_output=True)
                try:
                    got = logits(command, model, pathlib.Path(folder) / "logits")
                    difference = 0.0 if first is None else float(np.abs(got - first).max())
                    first = got if first is None else first
                    if not difference <= TOLERANCE:
                        failures += 1
                        print(f"{version} {dtype}: {name} differs from {FILES[version][0][0]} by "
                              f"{difference:g}, expected at most {TOLERANCE:g}")
                except RuntimeError as error:
                    failures += 1
                    print(f"{version} {dtype}: {name}: {error}")
    print(f"{'FAILED' if failures else 'equal'}: {failures} differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
