#!/usr/bin/env python3
"""The programs of examples/: they run, and write what the command writes.

usage: examples_test.py RWKV_COMMAND MODEL COMPLETE MANY
"""
import subprocess
import sys
import unittest

COMMAND, MODEL, COMPLETE, MANY = sys.argv[1:5]
TEXTS = ["Once upon a time", "The old man said", "There was a girl who"]


def output(*arguments: str) -> str:
    return subprocess.run(arguments, capture_output=True, check=True, timeout=300).stdout.decode()


class Examples(unittest.TestCase):
    def test_complete_writes_two_continuations_of_one_state(self) -> None:
        first, second, end = output(COMPLETE, MODEL, TEXTS[0]).split("\n---\n")
        self.assertEqual(end, "")
        self.assertNotEqual(first, second)
        for seed, text in ((1, first), (2, second)):
            run = output(COMMAND, "run", "-m", MODEL, "-p", TEXTS[0], "-n", "40", "-q", "--preset", "chat", "-s", str(seed))
            self.assertEqual(text, TEXTS[0] + run)

    def test_many_writes_what_each_alone_would(self) -> None:
        texts = output(MANY, MODEL, *TEXTS).split("\n---\n")
        for prompt, text in zip(TEXTS, texts):
            run = output(COMMAND, "run", "-m", MODEL, "-p", prompt, "-n", "40", "-q", "--preset", "greedy", "--ignore-eos")
            self.assertEqual(text, prompt + run)

    def test_a_missing_model_is_one_sentence(self) -> None:
        for program in (COMPLETE, MANY):
            run = subprocess.run([program, "absent.gguf", "x"], capture_output=True, timeout=60)
            self.assertEqual(run.returncode, 1)
            self.assertIn(b"absent.gguf", run.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
