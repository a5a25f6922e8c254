#!/usr/bin/env python3
"""The command as a user meets it: output, exit codes, one sentence for each mistake.

usage: command_test.py RWKV_COMMAND TEST_DATA_FOLDER
"""
import pathlib
import struct
import signal
import subprocess
import sys
import tempfile
import time
import unittest

COMMAND, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
MODEL = str(DATA / "v7.gguf")


def rwkv(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, *arguments], input=stdin, capture_output=True, timeout=120)


class Command(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self) -> None:
        self.folder.cleanup()

    def fails(self, *arguments: str, about: str) -> None:
        run = rwkv(*arguments)
        text = run.stderr.decode()
        self.assertEqual(run.returncode, 1, text)
        self.assertEqual(text.count("\n"), 1, f"one sentence expected: {text!r}")
        self.assertIn(about, text)
        self.assertEqual(run.stdout, b"")

    def test_version_and_help(self) -> None:
        self.assertEqual(rwkv("--version").stdout.split()[0], b"librwkv")
        self.assertIn(b"--temp", rwkv("run", "--help").stdout)

    def test_a_version_or_help_that_cannot_be_written_is_a_failure(self) -> None:
        for arguments in (["--version"], ["run", "--help"]):
            with open("/dev/full", "wb") as full:
                run = subprocess.run([COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(run.returncode, 1)
            self.assertIn(b"standard output: cannot be written", run.stderr)

    def test_run_is_reproducible_with_a_seed(self) -> None:
        texts = {rwkv("run", "-m", MODEL, "-p", "Hi", "-n", "20", "-s", "7", "-t", str(t)).stdout
                 for t in (1, 2, 3)}
        self.assertEqual(len(texts), 1)
        self.assertTrue(texts.pop())

    def test_llama_cpp_call_without_subcommand(self) -> None:
        run = rwkv("-m", MODEL, "-p", "Hi", "-n", "5", "-ngl", "99", "-c", "4096", "--temp", "0", "-no-cnv")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.stdout, rwkv("run", "-m", MODEL, "-p", "Hi", "-n", "5", "--temp", "0").stdout)

    def test_prompt_from_file_and_standard_input(self) -> None:
        (self.path / "p").write_text("Hello")
        want = rwkv("run", "-m", MODEL, "-p", "Hello", "-n", "9", "--temp", "0").stdout
        self.assertEqual(rwkv("run", "-m", MODEL, "-f", str(self.path / "p"), "-n", "9", "--temp", "0").stdout,
                         want)
        self.assertEqual(rwkv("run", "-m", MODEL, "-p", "-", "-n", "9", "--temp", "0", stdin=b"Hello").stdout,
                         want)

    def test_state_goes_through_a_file(self) -> None:
        whole = rwkv("run", "-m", MODEL, "-p", "abcdef", "-n", "12", "--temp", "0").stdout
        state = str(self.path / "state")
        rwkv("run", "-m", MODEL, "-p", "abc", "-n", "0", "--state-out", state)
        part = rwkv("run", "-m", MODEL, "-p", "def", "-n", "12", "--temp", "0", "--state-in", state).stdout
        self.assertEqual(part, whole)
        self.assertEqual([p.name for p in self.path.iterdir()], ["state"])

    def test_logits_do_not_depend_on_chunks_or_threads(self) -> None:
        outs = []
        for i, extra in enumerate((["--chunk", "1"], ["-t", "1"], ["--chunk", "3", "-t", "3"])):
            out = self.path / f"o{i}"
            run = rwkv("logits", "-m", MODEL, "--tokens", "1,2,3,4,5,6,7", "--all", "-o", str(out), *extra)
            self.assertEqual(run.returncode, 0, run.stderr)
            outs.append(out.read_bytes())
        self.assertEqual(len(set(outs)), 1)
        self.assertEqual(len(outs[0]), 7 * 300 * 4)
        last = rwkv("logits", "-m", MODEL, "--tokens", "1,2,3,4,5,6,7", "-o", "-").stdout
        self.assertEqual(last, outs[0][-1200:])
        self.assertTrue(all(abs(x) < 1e3 for x in struct.unpack("<300f", last)))

    def test_bf16_activations_change_what_exact_keeps(self) -> None:
        demo = DATA.parent.parent / "data" / "demo" / "librwkv-demo.q8_0.gguf"
        model = str(self.path / "bf16.gguf")
        self.assertEqual(rwkv("convert", str(demo), model, "--type", "bf16").returncode, 0)

        def logits(*options: str) -> bytes:
            run = rwkv("logits", "-m", model, "--tokens", "1,2,3,4,5,6,7,8,9", "-o", "-", *options)
            self.assertEqual(run.returncode, 0, run.stderr)
            return run.stdout
        plain = logits()
        self.assertNotEqual(logits("--bf16-activations"), plain)
        self.assertEqual(logits("--bf16-activations", "--exact"), plain)

    def test_info_as_text_and_json(self) -> None:
        import json
        info = json.loads(rwkv("info", MODEL, "--json").stdout)
        self.assertEqual((info["version"], info["n_layer"], info["n_vocab"]), ("v7", 2, 300))
        self.assertIn(b"version", rwkv("info", MODEL).stdout)

    def test_tokenize(self) -> None:
        ids = rwkv("tokenize", "-m", MODEL, "--ids", "a b").stdout.split()
        self.assertTrue(all(i.isdigit() for i in ids) and ids)
        self.assertEqual(rwkv("tokenize", "-m", MODEL, "--ids", "-", stdin=b"a b").stdout.split(), ids)

    def test_mistakes_are_one_sentence_and_exit_1(self) -> None:
        self.fails("run", "-p", "x", about="-m MODEL")
        self.fails("run", "-m", "/no/such/file", "-p", "x", about="/no/such/file")
        self.fails("run", "-m", str(DATA), "-p", "x", about="config.json")
        self.fails("run", "-m", MODEL, "--temp", "-3", "-p", "x", about="temperature")
        self.fails("run", "-m", MODEL, "--preset", "loud", "-p", "x", about="loud")
        self.fails("run", "-m", MODEL, "--no-such-option", about="--no-such-option")
        self.fails("run", "-m", MODEL, "--cpu", "mmx", "-p", "x", about="mmx")
        self.fails("run", "-m", MODEL, "--state-in", "/no/state", "-p", "x", about="/no/state")
        self.fails("state", "merge", about="info, convert")
        self.fails("logits", "-m", MODEL, "--tokens", "1,x", "-o", "-", about="1,x")
        self.fails("logits", "-m", MODEL, "--tokens", "1,999", "-o", "-", about="999")
        self.fails("logits", "-m", MODEL, "--tokens", "1", "-o", "/no/such/folder/out", about="/no/such")

        for bias in ("5+x", "5+3abc", "5", "x+1", "4294967301+1"):
            self.fails("run", "-m", MODEL, "-p", "x", "--logit-bias", bias, about=bias)

    def test_a_signal_ends_the_wait_for_standard_input(self) -> None:
        process = subprocess.Popen([COMMAND, "run", "-m", MODEL, "-p", "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5)
        process.terminate()
        process.wait(60)
        process.communicate()
        self.assertIn(process.returncode, (130, -signal.SIGTERM))  # it may not have come as far as to catch it

    def test_instruction_sets_in_any_case(self) -> None:
        self.assertEqual(rwkv("run", "-m", MODEL, "--cpu", "Scalar", "-p", "x", "-n", "1").returncode, 0)

    def test_a_signal_that_ends_the_run_keeps_the_state(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            state = self.path / "state"
            run = subprocess.Popen([COMMAND, "run", "-m", MODEL, "-p", "x", "-n", "-1", "--ignore-eos", "--state-out", state],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.assertTrue(run.stdout.read(1))  # it generates
            run.send_signal(number)
            run.stdout.read()
            self.assertEqual(run.wait(60), 130)
            self.assertTrue(state.exists())
            state.unlink()
            run.stdout.close()

    def test_a_prompt_that_was_not_read_to_its_end_leaves_no_state(self) -> None:
        prompt, state = self.path / "long", self.path / "state"
        prompt.write_bytes(b"word " * 2_000_000)
        state.write_bytes(b"an older state")
        run = subprocess.Popen([COMMAND, "run", "-m", MODEL, "-f", prompt, "-n", "1", "-v", "--state-out", state],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.assertTrue(run.stderr.readline())  # the model is open
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        said = run.stderr.read().decode()
        run.stderr.close()
        self.assertEqual(run.wait(60), 130, said)
        self.assertIn("of the prompt's 10000000 tokens", said)
        self.assertEqual(state.read_bytes(), b"an older state")

    def test_slips_of_the_hand_are_named(self) -> None:
        self.fails("run", "-m", MODEL, "--tmp", "1", about="unknown option --tmp: did you mean --temp?")
        self.fails("run", "-m", MODEL, "-p", about="-p needs a value")
        self.fails("run", "-m", MODEL, "-c", "-q", "-p", "x", about="-c needs a value")
        self.fails("run", "-m", MODEL, "--lora-scaled", "f", "2", about="unknown option --lora-scaled")
        self.fails("run", "-m", MODEL, "--prompt-cache", "f", about="--state-out FILE keeps")
        self.fails("bench", "-m", MODEL, "-d", "64", about="unknown option -d")
        self.fails("run", "-m", MODEL, "other.gguf", about="-m names a model already")
        self.fails("runn", about="did you mean run?")
        self.fails("run", "-m", MODEL, "--temp", "hot", about="hot: expected a number")
        self.fails("rum", about="'rum' is no command")

    def test_a_prompt_may_begin_with_a_dash(self) -> None:
        run = rwkv("run", "-m", MODEL, "-n", "0", "-p", "-5 degrees", "-r", "--")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(b"prefill 10 tokens", run.stderr)  # this model's tokens are bytes

    def test_one_line_break_at_the_end_of_a_prompts_file_is_left_out(self) -> None:
        prompt = self.path / "prompt"
        for text, count in ((b"one", 3), (b"one\n", 3), (b"one\n\n", 4)):  # this model's tokens are bytes
            prompt.write_bytes(text)
            for run in (rwkv("run", "-m", MODEL, "-f", str(prompt), "-n", "0"), rwkv("run", "-m", MODEL, "-p", "-", "-n", "0", stdin=text)):
                self.assertIn(f"prefill {count} tokens".encode(), run.stderr)

    def test_a_pipe_that_is_not_read_is_named(self) -> None:
        self.assertIn(b"-p - reads it", rwkv("run", "-m", MODEL, "-n", "1", stdin=b"text").stderr)
        self.assertNotIn(b"-p - reads it", rwkv("run", "-m", MODEL, "-n", "1", "-p", "x", stdin=b"text").stderr)

    def test_seeds_beyond_their_range_are_refused(self) -> None:
        self.fails("run", "-m", MODEL, "-s", "9223372036854775808", "-p", "x", about="below 2^63")
        self.assertEqual(rwkv("run", "-m", MODEL, "-s", "9223372036854775807", "-p", "x", "-n", "1").returncode, 0)

    def test_texts_may_look_like_options(self) -> None:
        for text in ("- item", "--- x", "-", "-1"):
            self.assertEqual(rwkv("tokenize", "-m", MODEL, text, stdin=b"x").returncode, 0, text)
        self.fails("run", "-m", MODEL, "--lora", "-x.st", "-p", "x", about="-x.st: ")
        self.assertEqual(rwkv("bench", "-m", MODEL, "--batch-size", "512", "-p", "8", "-n", "8", "-r", "1").returncode, 0)

    def test_words_of_llama_cpp_are_understood(self) -> None:
        for words in (["--color", "auto"], ["--jinja", "on"], ["-fa", "1", "-ngl", "99"]):
            run = rwkv("run", "-m", MODEL, *words, "-p", "x", "-n", "1")
            self.assertEqual(run.returncode, 0, run.stderr)
        run = rwkv("run", "-m", MODEL, "-sys", "Be kind.", "-st", "-p", "x", "-n", "1", "-v")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotIn(b"has no effect", run.stderr)
        self.assertIn(b"quantize", rwkv("help").stdout)
        self.assertIn(b"--imatrix", rwkv("help", "quantize").stdout)

    def test_what_a_completion_does_not_read_is_said(self) -> None:
        run = rwkv("run", "-m", MODEL, "-n", "1", "-p", "x", "--think", "fast")
        self.assertEqual(run.returncode, 0)
        self.assertIn(b"--think is for a chat", run.stderr)
        self.assertIn(b"RWKV v7", rwkv("run", "-m", MODEL, "-n", "1", "-p", "x", "-v").stderr)

    def test_an_old_model_runs_from_every_format(self) -> None:
        for name in ("v4.bin", "v4.pth", "v5.1.safetensors", "v6-old.gguf"):
            run = rwkv("run", "-m", str(DATA / name), "-p", "A", "-n", "4", "-s", "1")
            self.assertEqual(run.returncode, 0, f"{name}: {run.stderr.decode()}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
