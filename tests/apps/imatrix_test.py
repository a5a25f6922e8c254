#!/usr/bin/env python3
"""rwkv imatrix: the files it writes, read back here byte by byte; combining; mistakes.

usage: imatrix_test.py RWKV_COMMAND TEST_DATA_FOLDER
"""
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

COMMAND, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
MODEL = str(DATA / "v7.gguf")


def rwkv(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, *arguments], capture_output=True, timeout=120)


def read_dat(path: pathlib.Path) -> tuple[dict, int, bytes]:
    """name -> (calls, values); chunks; dataset"""
    data, at = path.read_bytes(), 0

    def number() -> int:
        nonlocal at
        at += 4
        return struct.unpack_from("<i", data, at - 4)[0]

    def text() -> bytes:
        nonlocal at
        n = number()
        at += n
        return data[at - n:at]

    entries = {}
    for _ in range(number()):
        name, calls, n = text().decode(), number(), number()
        entries[name] = (calls, struct.unpack_from(f"<{n}f", data, at))
        at += 4 * n
    chunks, dataset = number(), text()
    assert at == len(data)
    return entries, chunks, dataset


class Imatrix(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.text = self.path / "text"
        self.text.write_text("abc, def. " * 300)

    def tearDown(self) -> None:
        self.folder.cleanup()

    def imatrix(self, name: str, *arguments: str) -> pathlib.Path:
        run = rwkv("imatrix", "-m", MODEL, "-o", str(self.path / name), *arguments)
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        return self.path / name

    def test_both_formats_hold_the_same_means(self) -> None:
        entries, chunks, dataset = read_dat(
            self.imatrix("a.dat", "-f", str(self.text), "--chunks", "2", "--output-format", "dat"))
        self.assertEqual((chunks, dataset), (2, str(self.text).encode()))
        for name in ("output.weight", "blk.0.time_mix_receptance.weight", "blk.1.channel_mix_value.weight"):
            calls, values = entries[name]
            self.assertEqual(calls, 2)
            self.assertTrue(all(v >= 0 for v in values) and sum(values) > 0)
        self.imatrix("a.gguf", "-f", str(self.text), "--chunks", "2")
        again = self.imatrix("b.dat", "--in-file", str(self.path / "a.gguf"), "--output-format", "dat")
        for name, (calls, values) in read_dat(again)[0].items():
            self.assertEqual(calls, entries[name][0])
            for got, want in zip(values, entries[name][1]):
                self.assertAlmostEqual(got, want, delta=1e-6 * max(1, abs(want)))

    def test_gguf_as_others_read_it(self) -> None:
        try:
            import gguf
        except ImportError:
            self.skipTest("the gguf package is not installed")
        reader = gguf.GGUFReader(self.imatrix("a.gguf", "-f", str(self.text), "-c", "100", "--chunks", "3"))
        self.assertEqual(reader.get_field("general.type").contents(), "imatrix")
        self.assertEqual(reader.get_field("imatrix.chunk_count").contents(), 3)
        self.assertEqual(reader.get_field("imatrix.chunk_size").contents(), 100)
        self.assertEqual(reader.get_field("imatrix.datasets").contents(), [str(self.text)])
        tensors = {t.name: t for t in reader.tensors}
        self.assertEqual(list(tensors["output.weight.counts"].data.reshape(-1)), [300])
        self.assertEqual(list(tensors["output.weight.in_sum2"].shape)[1], 1)

    def test_combining_adds(self) -> None:
        one = self.imatrix("one", "-f", str(self.text), "--chunks", "1")
        two = self.imatrix("two.dat", "--in-file", str(one), "--in-file", str(one), "--output-format", "dat")
        single = read_dat(self.imatrix("one.dat", "--in-file", str(one), "--output-format", "dat"))
        both = read_dat(two)
        self.assertEqual((single[1], both[1]), (1, 2))
        for name, (calls, values) in both[0].items():
            self.assertEqual(calls, 2 * single[0][name][0])

    def test_mistakes_leave_no_file(self) -> None:
        junk = self.path / "junk"
        junk.write_bytes(b"junk junk junk")
        for arguments, about in ((["-f", "/no/text"], "/no/text"), (["--in-file", str(junk)], "junk"),
                                 ([], "-f FILE")):
            run = rwkv("imatrix", "-m", MODEL, "-o", str(self.path / "out"), *arguments)
            self.assertEqual((run.returncode, run.stderr.count(b"\n")), (1, 1), run.stderr)
            self.assertIn(about, run.stderr.decode())
            self.assertFalse((self.path / "out").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
