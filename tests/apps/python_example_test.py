#!/usr/bin/env python3
"""examples/complete.py: it writes what the command writes, and a missing model is one sentence.

usage: python_example_test.py RWKV_COMMAND MODEL LIBRARY SCRIPT
"""
import subprocess
import sys
import unittest

COMMAND, MODEL, LIBRARY, SCRIPT = sys.argv[1:5]
TEXT = "Once upon a time"


def script(model: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, SCRIPT, LIBRARY, model, TEXT], capture_output=True, timeout=300)


class PythonExample(unittest.TestCase):
    def test_writes_what_the_command_writes(self) -> None:
        run = subprocess.run([COMMAND, "run", "-m", MODEL, "-p", TEXT, "-n", "40", "-q", "--preset", "greedy",
                              "--ignore-eos"], capture_output=True, check=True, timeout=300)
        self.assertEqual(script(MODEL).stdout.decode(), TEXT + run.stdout.decode() + "\n")

    def test_a_missing_model_is_one_sentence(self) -> None:
        run = script("absent.gguf")
        self.assertEqual((run.returncode, run.stdout), (1, b""))
        self.assertEqual(run.stderr.decode().count("\n"), 1)
        self.assertIn("absent.gguf", run.stderr.decode())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
