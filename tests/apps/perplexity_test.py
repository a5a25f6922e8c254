#!/usr/bin/env python3
"""rwkv perplexity against numpy on the logits of `rwkv logits --all`.

usage: perplexity_test.py RWKV_COMMAND TEST_DATA_FOLDER
"""
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import numpy as np
except ImportError:
    sys.exit(77)

COMMAND, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
MODEL, OTHER = str(DATA / "v7.gguf"), str(DATA / "v6.gguf")
random.seed(4)
TEXT = "".join(random.choice("abcdefgh ,.\n") for _ in range(1500))


def rwkv(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, *arguments], input=stdin, capture_output=True, timeout=300)


class Perplexity(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.text = self.path / "text"
        self.text.write_text(TEXT)

    def tearDown(self) -> None:
        self.folder.cleanup()

    def run_json(self, *arguments: str, model: str = MODEL, stdin: bytes = b"") -> dict:
        run = rwkv("perplexity", "-m", model, "--json", *arguments, stdin=stdin)
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        return json.loads(run.stdout)

    def log_probabilities(self, model: str, tokens: list[int]) -> np.ndarray:
        run = rwkv("logits", "-m", model, "--tokens", ",".join(map(str, tokens)), "--all", "-o", "-")
        logits = np.frombuffer(run.stdout, "<f4").astype(np.float64).reshape(len(tokens), -1)
        top = logits.max(axis=1, keepdims=True)
        return logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))

    def tokens(self, model: str) -> list[int]:
        return [int(i) for i in rwkv("tokenize", "-m", model, "--ids", "-", stdin=TEXT.encode()).stdout.split()]

    def losses(self, model: str, length: int = 0) -> np.ndarray:
        tokens = self.tokens(model)
        length = length or len(tokens)
        out = []
        for begin in range(0, len(tokens), length):
            chunk = tokens[begin:begin + length]
            if len(chunk) > 1:
                log_p = self.log_probabilities(model, chunk)
                out.append(-log_p[np.arange(len(chunk) - 1), chunk[1:]])
        return np.concatenate(out)

    def test_agrees_with_numpy(self) -> None:
        for length in (0, 100, 700):
            want = self.losses(MODEL, length)
            got = self.run_json("-f", str(self.text), *(["-c", str(length)] if length else []))
            self.assertEqual(got["n_scored"], len(want))
            self.assertAlmostEqual(got["nats_per_token"], want.mean(), delta=1e-5)
            error = want.std() / np.sqrt(len(want) - 1)
            self.assertAlmostEqual(got["nats_per_token_error"], error, delta=1e-5)
            self.assertAlmostEqual(got["perplexity"], np.exp(want.mean()), delta=1e-4 * np.exp(want.mean()))
            self.assertAlmostEqual(got["bits_per_byte"], want.sum() / np.log(2) / got["n_byte"], delta=1e-5)

    def test_standard_input_and_chunks(self) -> None:
        from_file = self.run_json("-f", str(self.text), "-c", "50", "--chunks", "3")
        self.assertEqual(from_file["n_scored"], 3 * 49)
        self.assertEqual(self.run_json("-f", "-", "-c", "50", "--chunks", "3", stdin=TEXT.encode()), from_file)

    def test_divergence_from_itself_is_0(self) -> None:
        base = str(self.path / "base")
        alone = self.run_json("-f", str(self.text), "--kl-divergence-base", base)
        self.assertNotIn("kl_mean", alone)
        same = self.run_json("-f", str(self.text), "--kl-divergence-base", base, "--kl-divergence")
        self.assertAlmostEqual(same["kl_mean"], 0, delta=1e-6)
        self.assertAlmostEqual(same["kl_max"], 0, delta=1e-5)
        self.assertEqual(same["same_top"], 1)
        self.assertAlmostEqual(same["perplexity_ratio"], 1, delta=1e-6)
        self.assertEqual(same["perplexity"], alone["perplexity"])

    def test_divergence_agrees_with_numpy(self) -> None:
        base, tokens = str(self.path / "base"), self.tokens(MODEL)
        other = str(DATA / "arwkv7.gguf")
        if self.tokens(other) != tokens or rwkv("info", other, "--json").stdout.find(b'"n_vocab": 300') < 0:
            other = OTHER
        self.assertEqual(self.tokens(other), tokens)
        self.run_json("-f", str(self.text), "--kl-divergence-base", base)
        got = self.run_json("-f", str(self.text), "--kl-divergence-base", base, "--kl-divergence", model=other)
        p, q = self.log_probabilities(MODEL, tokens)[:-1], self.log_probabilities(other, tokens)[:-1]
        kl = (np.exp(p) * (p - q)).sum(axis=1)
        rows = np.arange(len(kl))
        dp = np.exp(q[rows, tokens[1:]]) - np.exp(p[rows, tokens[1:]])
        tolerance = dict(delta=2e-4 * max(kl.max(), 1e-3))
        self.assertAlmostEqual(got["kl_mean"], kl.mean(), **tolerance)
        self.assertAlmostEqual(got["kl_mean_error"], kl.std() / np.sqrt(len(kl) - 1), **tolerance)
        for key, q_ in (("kl_median", 0.5), ("kl_90", 0.9), ("kl_99", 0.99), ("kl_max", 1)):
            self.assertAlmostEqual(got[key], np.quantile(kl, q_), **tolerance)
        self.assertAlmostEqual(got["rms_dp"], np.sqrt((dp ** 2).mean()), delta=1e-6)
        self.assertAlmostEqual(got["same_top"], (p.argmax(1) == q.argmax(1)).mean(), delta=1e-6)
        self.assertGreater(got["kl_mean"], 1e-4)

    def test_an_interrupted_run_goes_on_to_the_same_result(self) -> None:
        big, resume, base = self.path / "big", self.path / "resume", self.path / "base"
        for n_text in (2, 6, 20, 60):  # as much as takes this build a second
            big.write_text(TEXT * n_text)
            start = time.monotonic()
            want = self.run_json("-f", str(big), "--kl-divergence-base", str(self.path / "whole"))
            if time.monotonic() - start > 1:
                break
        arguments = ["-f", str(big), "--resume", str(resume), "--kl-divergence-base", str(base)]
        interrupted, patience = 0, 0.2
        for _ in range(12):
            process = subprocess.Popen([COMMAND, "perplexity", "-m", MODEL, "--json", *arguments],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if interrupted < 3:
                time.sleep(patience)
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
            if process.returncode == 0:
                break
            # -SIGINT: it had not come as far as to catch it. A build with sanitizers starts slowly.
            self.assertIn(process.returncode, (130, -signal.SIGINT), err)
            interrupted += process.returncode == 130
            if process.returncode == 130 and resume.exists() and interrupted == 1:
                self.assertIn(b"another model", rwkv("perplexity", "-m", OTHER, *arguments).stderr)
            patience *= 1 if process.returncode == 130 else 1.5
        self.assertEqual(json.loads(out), want)
        self.assertEqual(base.read_bytes(), (self.path / "whole").read_bytes())
        self.assertEqual(sorted(p.name for p in self.path.iterdir()), ["base", "big", "text", "whole"])
        if not interrupted:
            self.skipTest("the run was too quick to be interrupted")

    def test_lambada(self) -> None:
        lines = [{"text": "the cat sat on the mat"}, {"text": "one \u00e9 two\nthree"}, {"text": "a b"}]
        file = self.path / "l.jsonl"
        file.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
        got = self.run_json("--lambada", str(file))
        total, right = 0.0, 0
        for line in lines:
            head, word = line["text"].rsplit(" ", 1)
            ids = [[int(i) for i in rwkv("tokenize", "-m", MODEL, "--ids", "-", stdin=t.encode()).stdout.split()]
                   for t in (head, " " + word)]
            tokens = [0] + ids[0] + ids[1]
            log_p = self.log_probabilities(MODEL, tokens)[len(ids[0]):-1]
            total -= log_p[np.arange(len(ids[1])), ids[1]].sum()
            right += (log_p.argmax(1) == ids[1]).all()
        self.assertEqual(got["n_passage"], 3)
        self.assertAlmostEqual(np.log(got["perplexity"]), total / 3, delta=1e-4)
        self.assertAlmostEqual(got["accuracy"], right / 3, delta=1e-6)

    def fails(self, *arguments: str, about: str) -> None:
        run = rwkv("perplexity", "-m", MODEL, *arguments)
        text = run.stderr.decode()
        self.assertEqual((run.returncode, text.count("\n"), run.stdout), (1, 1, b""), text)
        self.assertIn(about, text)

    def test_mistakes_are_one_sentence(self) -> None:
        text, base, junk = str(self.text), str(self.path / "base"), self.path / "junk"
        junk.write_bytes(b"x" * 300)
        self.fails(about="-f FILE")
        self.fails("-f", "/no/text", about="/no/text")
        self.fails("-f", text, "--kl-divergence", about="--kl-divergence-base")
        self.fails("-f", text, "--kl-divergence-base", "/no/base", "--kl-divergence", about="/no/base")
        self.fails("-f", text, "--kl-divergence-base", str(junk), "--kl-divergence", about="RWKVBASE")
        self.fails("-f", text, "--resume", str(junk), about="RWKVEVAL")
        self.fails("-f", text, "--kl-divergence-base", "/dev/null", about="is no file")
        self.fails("--lambada", str(junk), about="line 1")
        for line in ('{"text": 1}', '{"texts": "a b"}', '["text", "a b"]', '{"text": "word"}', '{"text": "a b "}', '{"text": "a b"'):
            junk.write_text('{"text": "a b"}\n\n' + line)
            self.fails("--lambada", str(junk), about="line 3")
        self.run_json("-f", text, "--kl-divergence-base", base)
        self.fails("-f", text, "-c", "20", "--kl-divergence-base", base, "--kl-divergence", about="chunk length")
        data = pathlib.Path(base).read_bytes()
        pathlib.Path(base).write_bytes(data[:-1])
        self.fails("-f", text, "--kl-divergence-base", base, "--kl-divergence", about="cut")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
