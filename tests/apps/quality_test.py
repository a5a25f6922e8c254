#!/usr/bin/env python3
"""rwkv quality: the report's figures against rwkv perplexity, its four forms, labels that do not overlap.

usage: quality_test.py RWKV_COMMAND TEST_DATA_FOLDER
"""
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

COMMAND, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
BASE, OTHER = str(DATA / "v7.gguf"), str(DATA / "v6.gguf")
SVG = "{http://www.w3.org/2000/svg}"
LETTER, HEIGHT = 6.5, 12  # of the plot's 12 px letters, about


def rwkv(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, *arguments], capture_output=True, timeout=300)


class Quality(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.out = self.path / "report"
        random.seed(5)
        (self.path / "text").write_text("".join(random.choice("abcdef .") for _ in range(3000)))

    def tearDown(self) -> None:
        self.folder.cleanup()

    def quality(self, models: list[str], *more: str) -> subprocess.CompletedProcess:
        return rwkv("quality", BASE, "-f", str(self.path / "text"), "--models", ",".join(models), "-o", str(self.out), *more)

    def test_figures_are_those_of_perplexity(self) -> None:
        run = self.quality([OTHER, BASE], "--chunks", "1")
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        self.assertEqual(sorted(p.name for p in self.out.iterdir()),
                         ["report.html", "report.json", "report.md", "report.svg"])
        self.assertEqual((self.out / "report.md").read_bytes(), run.stdout)
        report = json.loads((self.out / "report.json").read_text())
        text, base = str(self.path / "text"), str(self.path / "base")
        common = ["--json", "-f", text, "--chunks", "1", "--kl-divergence-base", base]
        alone = json.loads(rwkv("perplexity", "-m", BASE, *common).stdout)
        other = json.loads(rwkv("perplexity", "-m", OTHER, *common, "--kl-divergence").stdout)
        first, second, third = report["types"]
        self.assertTrue(report["complete"] and first["base"])
        self.assertAlmostEqual(first["perplexity"], alone["perplexity"], delta=1e-4)
        for key in ("perplexity", "kl_mean", "same_top"):
            self.assertAlmostEqual(second[key], other[key], delta=1e-5 * max(1, other[key]))
        for row in report["types"]:
            self.assertGreater(row["decode_tokens_per_s"], 0)
            self.assertGreater(row["prefill_tokens_per_s"], 0)
        self.assertEqual(first["file_bytes"], pathlib.Path(BASE).stat().st_size)
        self.assertLess(third["kl_mean"], 1e-6)
        # The test's model has random weights that leave some units, in each layer.
        n_layer = json.loads(rwkv("info", BASE, "--json").stdout)["n_layer"]
        self.assertEqual(len(report["zeros_after_relu2"]), n_layer)
        for share in report["zeros_after_relu2"]:
            self.assertTrue(0.1 < share < 0.95, share)
        # v6 predicts other tokens than v7; the copy of the base is what can be recommended.
        self.assertEqual(report["recommended"], "v7.gguf")
        self.assertIn("reasoning that perplexity does not show", run.stdout.decode())

    def test_plots_are_well_formed_and_labels_do_not_overlap(self) -> None:
        names = [f"model-q{i}_k_m & <x>.gguf" for i in range(7)]
        for i, name in enumerate(names):
            shutil.copy(BASE if i % 2 else OTHER, self.path / name)
        run = self.quality([str(self.path / name) for name in names], "--chunks", "1")
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        root = ElementTree.parse(self.out / "report.svg").getroot()
        panels = root.findall(f"{SVG}g")
        self.assertEqual(len(panels), 3)  # the last: zeros of each layer
        for panel in panels[:2]:
            boxes = []
            for text in panel.findall(f"{SVG}text"):
                if text.text in names:
                    x, y, w = float(text.get("x")), float(text.get("y")), LETTER * len(text.text)
                    boxes.append((x, y - HEIGHT, x + w, y))
            self.assertEqual(len(boxes), len(names))
            for i, a in enumerate(boxes):
                self.assertTrue(a[0] >= 0 and a[2] <= 480 and a[1] >= 0 and a[3] <= 400, a)
                for b in boxes[:i]:
                    self.assertFalse(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3], f"{a} {b}")
        html = (self.out / "report.html").read_text()
        self.assertIn("<svg", html)
        self.assertNotIn("<x>", html)
        self.assertNotIn("src=", html)

    def test_a_model_alone_shows_its_perplexity_and_zeros(self) -> None:
        run = rwkv("quality", BASE, "-f", str(self.path / "text"), "--chunks", "1", "-o", str(self.out))
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        self.assertIn("Nothing was compared", run.stdout.decode())
        root = ElementTree.parse(self.out / "report.svg").getroot()
        self.assertEqual(len(root.findall(f"{SVG}g")), 1)
        self.assertGreater(json.loads((self.out / "report.json").read_text())["types"][0]["perplexity"], 1)

    def test_mistakes_are_one_sentence(self) -> None:
        for run, about in ((self.quality(["/no/model"], "--chunks", "1"), "/no/model"),
                           (rwkv("quality", BASE, "--models", OTHER), "-f FILE")):
            self.assertEqual((run.returncode, run.stderr.count(b"\n"), run.stdout), (1, 1, b""), run.stderr)
            self.assertIn(about, run.stderr.decode())
        # A type that cannot be made, or a model that is not there or has another vocabulary, is named before anything
        # is measured.
        other = self.path / "other"
        wrong = str(pathlib.Path(BASE).parent.parent.parent / "data" / "demo" / "librwkv-demo.q8_0.gguf")
        for arguments in (["--types", "q9_9"], ["--models", "/no/model"], ["--models", wrong]):
            run = rwkv("quality", BASE, "-f", str(self.path / "text"), *arguments, "-o", str(other))
            self.assertEqual((run.returncode, run.stdout), (1, b""), run.stderr)
            self.assertEqual(list(other.iterdir()), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
