#!/usr/bin/env python3
"""A small RWKV-7 that strangers trained must reverse its digits, with their logits.

usage: trained_test.py RWKV_COMMAND GOLDEN_FOLDER
The folder's own converter wants torch; where there is none, no_torch/ does its few calls. Exit 77 (skipped)
without numpy or without the folder.
"""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

GOLDEN = pathlib.Path(sys.argv[2]) / "trained"
if not GOLDEN.is_dir() or importlib.util.find_spec("numpy") is None:
    print("skipped: numpy or the golden folder is not here")
    sys.exit(77)

import numpy as np  # noqa: E402


ENVIRONMENT = dict(os.environ)
if importlib.util.find_spec("torch") is None:
    ENVIRONMENT["PYTHONPATH"] = str(pathlib.Path(__file__).with_name("no_torch"))


def main() -> int:
    golden = json.loads((GOLDEN / "reverse_golden.json").read_text())
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        model, out = pathlib.Path(folder) / "reverse.pth", pathlib.Path(folder) / "logits"
        subprocess.run([sys.executable, GOLDEN / "to_x070.py", GOLDEN / golden["model"], model], check=True,
                       stdout=subprocess.DEVNULL, env=ENVIRONMENT)

        def logits(tokens: list[int], device: str) -> np.ndarray:
            subprocess.run([sys.argv[1], "logits", "-m", model, "--device", device, "--all", "--tokens",
                            ",".join(map(str, tokens)), "-o", out], check=True)
            return np.fromfile(out, np.float32).reshape(len(tokens), -1)

        for sequence in golden["sequences"]:
            for device in ("cpu", "reference"):
                want = np.reshape(sequence["logits"], (len(sequence["tokens"]), -1))
                difference = np.abs(logits(sequence["tokens"], device) - want).max()
                if not difference <= 1e-3:
                    failures += 1
                    print(f"{device}: logits differ by {difference:g}, expected at most 1e-3")
        for case in golden["greedy"]:
            tokens = [golden["vocabulary"].index(c) for c in case["prompt"] + case["greedy"]]
            said = logits(tokens[:-1], "cpu")[len(case["prompt"]) - 1:].argmax(1)
            text = "".join(golden["vocabulary"][i] for i in said)
            if text != case["greedy"]:
                failures += 1
                print(f"{case['prompt']}: {text}, expected {case['greedy']}")
    print(f"{len(golden['greedy'])} prompts, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
