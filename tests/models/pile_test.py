#!/usr/bin/env python3
"""Pile and Raven models never saw NeoX's one token for a blank line: a prompt that ends in one ends in two line breaks.

usage: pile_test.py RWKV_COMMAND GOLDEN_FOLDER MAKE_RANDOM_MODEL_PY (exit code 77: the tokenizer is not there)
"""
import lzma
import pathlib
import subprocess
import sys
import tempfile

COMMAND, GOLDEN, MAKE_MODEL = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]


def main() -> int:
    packed = GOLDEN / "tokenizers/20B_tokenizer.json.xz"
    if not packed.exists():
        print(f"skipped: {packed} is not there")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        tokenizer, model = pathlib.Path(folder) / "20B_tokenizer.json", pathlib.Path(folder) / "pile.gguf"
        tokenizer.write_bytes(lzma.decompress(packed.read_bytes()))
        subprocess.run([sys.executable, MAKE_MODEL, "--version", "v4", "--layers", "1", "--embd", "32", "--vocab", "50277", model],
                       check=True, stdout=subprocess.DEVNULL)
        for prompt, count in (("Hello", 1), ("Hello\n\n", 3), ("Hello\n\nHello", 4), ("Hello\n", 2)):
            run = subprocess.run([COMMAND, "run", "-m", model, "--tokenizer", tokenizer, "-p", prompt, "-n", "1"],
                                 capture_output=True, check=True, text=True)
            if f"prefill {count} tokens" not in run.stderr:
                print(f"{prompt!r}: expected {count} tokens; {run.stderr}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
