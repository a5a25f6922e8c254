"""Checks of vocabulary, questions and the GGUF file. Run: python3 test_files.py"""
import pathlib
import random
import tempfile
import unittest

import numpy

import gguf_file
import qa
from rnn import vocab_of
from vocab import Vocab

STRINGS = [bytes([b]) for b in range(256)] + [
    b"\n\n", b" a", b"ab", b"'\"", b"\\x", "é".encode(), b"abc", b"\xff\xfe", b"abcde"]


class Vocabulary(unittest.TestCase):
    def test_greedy_takes_the_longest(self):
        vocab = Vocab(STRINGS)
        tokens = vocab.encode("abcd abcde")
        self.assertEqual([vocab.strings[t] for t in tokens],
                         [b"abc", b"d", b" a", b"b", b"c", b"d", b"e"])

    def test_every_byte_comes_back(self):
        vocab = Vocab(STRINGS)
        rng = random.Random(1)
        for _ in range(200):
            data = b"".join(rng.choice(STRINGS) for _ in range(20))
            joined = b"".join(vocab.strings[t] for t in vocab.encode(data))
            self.assertEqual(joined, data)

    def test_file_and_gguf_keep_every_string(self):
        vocab = Vocab(STRINGS)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "vocab.txt")
            vocab.save(path)
            self.assertEqual(Vocab.load(path).strings, vocab.strings)
        body = [repr(s)[2:-1] for s in vocab.strings]
        self.assertEqual(vocab_of({"tokenizer.ggml.tokens": body}).strings, vocab.strings)


class Gguf(unittest.TestCase):
    def test_round_trip(self):
        rng = numpy.random.default_rng(1)
        x, y = rng.normal(size=(3, 5)).astype("f4"), rng.normal(size=7).astype("f4")
        metadata = {"a": "text", "b": 7, "c": 0.5, "d": ["x", "yz"], "e": [1, 2], "f": True}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "x.gguf")
            gguf_file.write(path, metadata, {"x": (x, gguf_file.BF16), "y": (y, gguf_file.F32)})
            got, tensors = gguf_file.read(path)
        self.assertEqual(got, metadata)
        self.assertTrue((tensors["y"] == y).all())
        self.assertLessEqual(abs(tensors["x"] / x - 1).max(), 2 ** -8)

    def test_q8_0(self):
        x = numpy.random.default_rng(2).normal(size=(3, 64)).astype("f4")
        x[1, :32] = 0
        got = gguf_file.from_q8_0(gguf_file.to_q8_0(x)).reshape(x.shape)
        self.assertLessEqual(abs(got - x).max(), abs(x).max() / 127 * 0.51)
        self.assertFalse(got[1, :32].any())


class Questions(unittest.TestCase):
    def test_form(self):
        texts = qa.texts()
        self.assertGreater(len(set(texts)), 1000)
        for text in texts:
            turns = text.split("\n\n")
            self.assertEqual(turns.pop(), "")
            self.assertEqual(len(turns) % 2, 0)
            self.assertTrue(all(t.startswith("User: ") for t in turns[::2]))
            self.assertTrue(all(t.startswith("Assistant: ") for t in turns[1::2]))


if __name__ == "__main__":
    unittest.main()
