#!/usr/bin/env python3
"""rwkv convert, quantize and state as a user meets them: files whole or not at all, and what torch reads.

usage: convert_test.py RWKV_COMMAND TEST_DATA_FOLDER
"""
import pathlib
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

COMMAND, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
MODEL = str(DATA / "v7.pth")
TARGETS = ("m.gguf", "m.pth", "m.safetensors", "m", "m.bin")


def rwkv(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, *arguments], capture_output=True, timeout=120, **options)


class Convert(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self) -> None:
        self.folder.cleanup()

    def at(self, name: str) -> str:
        return str(self.path / name)

    def succeeds(self, *arguments: str) -> str:
        run = rwkv(*arguments)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.decode()

    def fails(self, *arguments: str, about: str, **options) -> None:
        run = rwkv(*arguments, **options)
        text = run.stderr.decode()
        self.assertEqual(run.returncode, 1, text)
        self.assertEqual(text.count("\n"), 1, f"one sentence expected: {text!r}")
        self.assertIn(about, text)
        self.assertEqual(run.stdout, b"")

    def logits(self, *model: str) -> bytes:
        run = rwkv("logits", "-m", *model, "--tokens", "1,2,3,40,50", "--all", "-o", "-")
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def test_every_target_gives_the_same_logits(self) -> None:
        want = self.logits(MODEL)
        for target in TARGETS:
            self.succeeds("convert", MODEL, self.at(target))
            self.assertEqual(self.logits(self.at(target)), want, target)
        self.assertEqual({p.name for p in self.path.iterdir()}, set(TARGETS))
        names = {p.name for p in (self.path / "m").iterdir()}
        self.assertLessEqual({"config.json", "model.safetensors"}, names)

    def test_summary_names_sizes_and_types(self) -> None:
        out = self.succeeds("quantize", MODEL, self.at("q.gguf"), "Q8_0", "2", "--list")
        self.assertIn("weights: ", out)
        self.assertIn("Q8_0", out)
        self.assertIn("blk.0.time_mix_key.weight", out)
        self.assertIn("q.gguf: written in", out)

    def test_dry_run_writes_nothing(self) -> None:
        out = self.succeeds("quantize", MODEL, self.at("q.gguf"), "q8_0", "--dry-run")
        self.assertIn("dry run", out)
        self.assertEqual(list(self.path.iterdir()), [])

    def test_overrides_of_llama_quantize(self) -> None:
        out = self.succeeds("quantize", MODEL, self.at("q.gguf"), "Q8_0", "--list", "--pure",
                            "--output-tensor-type", "f16", "--token-embedding-type", "f32",
                            "--tensor-type", "time_mix_key=f32", "--tensor-type", "channel_mix_key=f16")
        lines = {line.split()[0]: line for line in out.splitlines() if "->" in line}
        self.assertIn("-> F16", lines["output.weight"])
        self.assertIn("-> F32", lines["token_embd.weight"])
        self.assertIn("-> F32", lines["blk.0.time_mix_key.weight"])
        self.assertIn("-> F16", lines["blk.1.channel_mix_key.weight"])
        self.fails("quantize", MODEL, self.at("x.gguf"), "Q8_0", "--tensor-type", "nothing=f16", about="nothing=f16")
        self.assertFalse((self.path / "x.gguf").exists())

    def test_cut_input_leaves_no_output(self) -> None:
        whole = pathlib.Path(MODEL).read_bytes()
        cut = self.path / "cut.pth"
        for share in (0.1, 0.5, 0.99):
            cut.write_bytes(whole[:int(len(whole) * share)])
            for target in TARGETS:
                self.fails("convert", str(cut), self.at(target), about="cut.pth")
        self.assertEqual([p.name for p in self.path.iterdir()], ["cut.pth"])

    def test_full_disk_gives_a_sentence_and_no_file(self) -> None:
        limit = 20_000  # bytes in one file

        def small_files() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        for target in TARGETS:
            self.fails("convert", MODEL, self.at(target), about="cannot be written", preexec_fn=small_files)
            self.assertEqual(list(self.path.iterdir()), [], target)

    def test_unwritable_places_and_bad_arguments(self) -> None:
        self.fails("convert", MODEL, self.at("no/such/m.gguf"), about="cannot be written")
        self.fails("convert", MODEL, self.at("m.xyz"), about="expected .gguf")
        self.fails("convert", MODEL, self.at("m.gguf"), "--to", "onnx", about="onnx")
        self.fails("quantize", MODEL, self.at("m.gguf"), "Q9_9", about="Q9_9")
        self.fails("convert", self.at("none.pth"), self.at("m.gguf"), about="none.pth")
        (self.path / "full").mkdir()
        (self.path / "full" / "file").touch()
        self.fails("convert", MODEL, self.at("full"), about="not empty")

    def test_ctrl_c_leaves_no_file(self) -> None:
        # Early or late, the signal finds the file whole or not there.
        run = subprocess.Popen([COMMAND, "convert", MODEL, self.at("m.gguf")], stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        left = [p.name for p in self.path.iterdir()]
        self.assertIn(left, ([], ["m.gguf"]))  # never a part

    def test_quantize_while_loading(self) -> None:
        self.succeeds("quantize", MODEL, self.at("q.gguf"), "Q8_0", "--token-embedding-type", "F32")
        self.succeeds("convert", MODEL, self.at("f.gguf"), "--outtype", "f32")
        self.assertEqual(self.logits(self.at("f.gguf"), "--quant", "Q8_0"), self.logits(self.at("q.gguf")))
        self.fails("logits", "-m", MODEL, "--quant", "Q1_X", "--tokens", "1", "-o", "-", about="Q1_X")

    def test_torch_reads_our_checkpoint(self) -> None:
        try:
            import torch
        except ImportError:
            self.skipTest("torch is not here")
        self.succeeds("convert", MODEL, self.at("m.pth"))
        ours = torch.load(self.at("m.pth"), weights_only=True)
        theirs = torch.load(MODEL, weights_only=True)
        self.assertEqual(set(ours), set(theirs))
        for name, tensor in theirs.items():
            self.assertEqual(ours[name].dtype, tensor.dtype, name)
            self.assertEqual(ours[name].shape, tensor.shape, name)
            self.assertTrue(torch.equal(ours[name], tensor), name)
        mapped = torch.load(self.at("m.pth"), weights_only=True, mmap=True)
        self.assertTrue(torch.equal(mapped["emb.weight"], theirs["emb.weight"]))

    def test_gguf_package_reads_our_file(self) -> None:
        try:
            import gguf
        except ImportError:
            self.skipTest("gguf is not here")
        self.succeeds("convert", MODEL, self.at("m.gguf"))
        reader = gguf.GGUFReader(self.at("m.gguf"))
        for key in ("context_length", "embedding_length", "block_count", "wkv.head_size"):
            self.assertEqual(reader.fields[f"rwkv7.{key}"].types, [gguf.GGUFValueType.UINT32], key)
        tokens = [t for t in reader.tensors if t.name == "blk.0.time_mix_lerp_fused.weight"]
        self.assertEqual(list(tokens[0].shape)[1:], [1, 1, 6])

    def test_state_there_and_back(self) -> None:
        state = self.at("a.state")
        run = rwkv("run", "-m", MODEL, "-p", "123", "-n", "0", "--state-out", state)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("3 tokens seen", self.succeeds("state", "info", state, "-m", MODEL))
        before = state
        for n, layout in enumerate(("pip", "rwkv.cpp", "llama.cpp", "librwkv")):
            after = self.at(f"{n}.state")
            self.succeeds("state", "convert", before, after, "--to", layout, "-m", MODEL)
            before = after
        last = self.succeeds("state", "diff", state, before, "-m", MODEL).splitlines()[-1]
        self.assertEqual(last.split()[-1], "0")
        raw = pathlib.Path(self.at("1.state")).read_bytes()
        self.assertEqual(len(raw) % 4, 0)
        self.assertTrue(all(abs(x) < 1e4 for x in struct.unpack(f"<{len(raw) // 4}f", raw)))
        self.succeeds("state", "mix", self.at("mix"), state + ":0.25", before + ":0.75", "-m", MODEL)
        last = self.succeeds("state", "diff", state, self.at("mix"), "-m", MODEL).splitlines()[-1]
        self.assertLess(float(last.split()[-1]), 1e-5)
        self.fails("state", "convert", state, self.at("x"), "--to", "other", "-m", MODEL, about="other")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
