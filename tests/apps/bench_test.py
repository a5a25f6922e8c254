#!/usr/bin/env python3
"""rwkv bench: the forms of its table and its picture. How fast anything is plays no part here.

usage: bench_test.py RWKV_COMMAND MODEL
"""
import csv
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

COMMAND, MODEL = sys.argv[1], sys.argv[2]
SVG = "{http://www.w3.org/2000/svg}"
COLUMNS = ["model_type", "test", "threads", "batch", "tokens_per_s", "min", "max", "gb_per_s", "bound",
           "bound_tokens_per_s", "share_of_bound"]


def bench(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, "bench", *arguments], capture_output=True, text=True, timeout=300)


class Bench(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def output(self, *arguments: str) -> str:
        run = bench(*arguments)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def fails(self, *arguments: str, about: str) -> None:
        run = bench(*arguments)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, f"one sentence expected: {run.stderr!r}")
        self.assertIn(about, run.stderr)
        self.assertEqual(run.stdout, "")

    def test_many_sequences_share_what_is_read(self) -> None:
        out = self.output("-m", MODEL, "-p", "0", "-n", "8", "-b", "1,4", "-r", "1", "-o", "json", "--profile")
        one, four = [json.loads(line) for line in out.splitlines()]  # the table of --profile goes elsewhere
        if four["bound"] == "bandwidth":  # or arithmetic, where that is the lower one
            self.assertGreater(four["bound_tokens_per_s"], 2 * one["bound_tokens_per_s"])

    def test_profile_adds_up(self) -> None:
        lines = self.output("-m", MODEL, "-t", "2", "-p", "0", "-n", "8", "-r", "1", "--profile").splitlines()
        rows = [[field.strip(" %") for field in line.strip("| ").split("|")] for line in lines[lines.index("") + 3:]]
        figures = {row[0]: [float(field) for field in row[1:]] for row in rows}
        self.assertEqual(rows[-1][0], "all")
        everything = figures.pop("all")
        self.assertIn("wkv7", figures)
        self.assertAlmostEqual(sum(f[0] for f in figures.values()), everything[0], delta=0.05 * len(rows))  # us, printed to 0.1
        for name, (*_, kernels, preparing) in figures.items():
            self.assertLessEqual(kernels + preparing, 101, name)  # percent, rounded
        self.assertAlmostEqual(sum(f[1] for f in figures.values()), 100, delta=0.05 * len(rows))
        self.assertGreater(everything[4], 0, "time in kernels")
        self.assertEqual(figures["norm_shift_mix"][5], 100, "one row: the thread that prepares a stage does it")

    def test_json_has_an_object_for_each_test(self) -> None:
        out = self.output("-m", MODEL, "-t", "2", "-p", "8,16", "-n", "4", "-b", "1,3", "-r", "2", "-o", "json")
        rows = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(r["test"], r["batch"], r["bound"]) for r in rows],
                         [("pp8", 1, "arithmetic"), ("pp16", 1, "arithmetic"), ("tg4", 1, "bandwidth"),
                          ("tg4", 3, rows[3]["bound"])])
        self.assertIn(rows[3]["bound"], ("bandwidth", "arithmetic"))  # many sequences: the lower of the two
        for row in rows:
            self.assertEqual(set(row), {*COLUMNS, "device"})
            self.assertEqual((row["model_type"], row["threads"]), (pathlib.Path(MODEL).name, 2))
            self.assertTrue(row["device"].startswith("cpu ("), row["device"])
            self.assertLessEqual(row["min"], row["tokens_per_s"])
            self.assertLessEqual(row["tokens_per_s"], row["max"])
            self.assertGreater(row["bound_tokens_per_s"], 0)
            self.assertGreaterEqual(row["gb_per_s"], 0)
            self.assertGreaterEqual(row["share_of_bound"], 0)

    def test_one_repetition_is_its_own_median_and_share(self) -> None:
        row = json.loads(self.output("-m", MODEL, "-p", "0", "-n", "4", "-r", "1", "-o", "json"))
        self.assertEqual((row["min"], row["max"]), (row["tokens_per_s"], row["tokens_per_s"]))
        # Printed figures are rounded: half of the share's last digit, and a part in a million.
        self.assertAlmostEqual(row["share_of_bound"], row["tokens_per_s"] / row["bound_tokens_per_s"],
                               delta=0.5e-4 + 1e-6 * row["share_of_bound"])

    def test_csv_has_one_head_line_for_several_models(self) -> None:
        out = self.output("-m", MODEL, "-m", MODEL, "-p", "8", "-n", "2", "-r", "1", "-o", "csv")
        head, *rows = csv.reader(out.splitlines())
        self.assertEqual(head, COLUMNS)
        self.assertEqual([r[1] for r in rows], ["pp8", "tg2", "pp8", "tg2"])
        self.assertTrue(all(len(r) == len(COLUMNS) for r in rows))

    def test_markdown_is_one_table(self) -> None:
        lines = self.output("-m", MODEL, "-m", MODEL, "-p", "0", "-n", "2", "-r", "1").splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual({line.count("|") for line in lines}, {9})
        self.assertEqual(lines[1].strip("|-"), "")
        self.assertIn("tg2", lines[2])

    def test_a_name_cannot_break_a_table(self) -> None:
        odd = self.path / 'a"b|c,<d>&\n\u00e9.gguf'
        shutil.copy(MODEL, odd)
        plot = self.path / "plot.svg"
        common = ("-m", str(odd), "-p", "0", "-n", "2", "-r", "1")
        row = json.loads(self.output(*common, "-o", "json", "--plot", str(plot)))
        self.assertEqual(row["model_type"], "a_b_c__d___\u00e9.gguf")
        self.assertEqual(self.output(*common).splitlines()[2].count("|"), 9)
        self.assertIn("a_b_c__d___\u00e9.gguf", [t.text for t in xml.parse(plot).iter(SVG + "text")])

    def test_plot_has_a_bar_and_its_figures_for_each_row(self) -> None:
        plot = self.path / "plot.svg"
        out = self.output("-m", MODEL, "-m", MODEL, "-p", "8", "-n", "4", "-b", "1,2", "-r", "2", "-o", "json",
                          "--plot", str(plot))
        self.assertEqual([p.name for p in self.path.iterdir()], ["plot.svg"])
        root = xml.parse(plot).getroot()
        self.assertEqual(root.tag, SVG + "svg")
        figures = [t.text for t in root.iter(SVG + "text") if " tokens/s" in t.text]
        rows = [json.loads(line) for line in out.splitlines()]
        for row, text in zip(rows, figures, strict=True):
            rate, of, bound, *_ = text.split()
            self.assertEqual(of, "of")
            self.assertAlmostEqual(float(rate), row["tokens_per_s"], delta=0.06)  # one digit is shown
            self.assertAlmostEqual(float(bound), row["bound_tokens_per_s"], delta=0.06)
            self.assertIn(f"({row['bound']})", text)
        bars = [r for r in root.iter(SVG + "rect") if r.get("height") == "14.0"]
        self.assertEqual(len(bars), len(rows))
        width, height = float(root.get("width")), float(root.get("height"))
        for text in (t for t in root.iter(SVG + "text")):
            self.assertTrue(0 <= float(text.get("x")) < width and 0 <= float(text.get("y")) < height)

    def test_lines_of_the_plot_do_not_overlap(self) -> None:
        plot = self.path / "plot.svg"
        self.output("-m", MODEL, "-m", MODEL, "-p", "8", "-n", "4", "-b", "1,2", "-r", "1", "--plot", str(plot))
        places: dict[float, set[float]] = {}  # x -> the lines' y
        for text in xml.parse(plot).iter(SVG + "text"):
            x, y = float(text.get("x")), float(text.get("y"))
            self.assertNotIn(y, places.setdefault(x, set()))
            self.assertTrue(all(abs(y - other) >= 12 for other in places[x]), f"{text.text!r} at {x}, {y}")
            places[x].add(y)

    def test_mistakes_come_before_the_measuring(self) -> None:
        self.fails("-n", "2", about="-m MODEL")
        self.fails("-m", MODEL, "--plot", "/no/such/folder/p.svg", about="/no/such/folder/p.svg")
        self.fails("-m", MODEL, "-o", "xml", about="xml")
        self.fails("-m", "/no/such/model", about="/no/such/model")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
