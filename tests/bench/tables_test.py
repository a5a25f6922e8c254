#!/usr/bin/env python3
"""The scripts that compare and that write docs/performance.md, on a tiny model and a stand-in for llama.cpp.

usage: tables_test.py RWKV_COMMAND MODEL.gguf
"""
import argparse
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

COMMAND, MODEL = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
sys.dont_write_bytecode = True
import compare_llama_cpp as comparison  # noqa: E402
import facts  # noqa: E402
import tables  # noqa: E402

PAGE = f"# Title\n\n{tables.BEGIN}\nold | table\n{tables.END}\n\ntext after\n"


class Tables(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.page = pathlib.Path(folder.name) / "page.md"

    def tables(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-B", str(BENCH / "tables.py"), *arguments, "-p", "8", "-n", "2",
                               "-r", "1", "--wait", "0", "--no-comparison", "--page", str(self.page),
                               "--command", str(COMMAND)], capture_output=True, text=True, timeout=300)

    def test_only_what_stands_between_the_marks_is_replaced(self) -> None:
        self.page.write_text(PAGE)
        run = self.tables(str(MODEL))
        self.assertEqual(run.returncode, 0, run.stderr)
        page = self.page.read_text()
        self.assertTrue(page.startswith(f"# Title\n\n{tables.BEGIN}\n"))
        self.assertTrue(page.endswith(f"\n{tables.END}\n\ntext after\n"))
        self.assertNotIn("old | table", page)
        for test in ("pp8", "tg2"):
            self.assertIn(f"| {MODEL.name} | {test} | ", page)
        self.assertIn(f"sha256 {hashlib.sha256(MODEL.read_bytes()).hexdigest()[:16]}", page)
        self.assertNotIn(str(MODEL.parent), page)
        self.assertEqual(sorted(p.name for p in self.page.parent.iterdir()), ["page.md", "page.svg"])

    def test_a_page_without_marks_and_a_missing_model_change_nothing(self) -> None:
        for page in ("no marks", f"{tables.END}\n{tables.BEGIN}\n", PAGE + tables.BEGIN):
            self.page.write_text(page)
            run = self.tables(str(MODEL))
            self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1), run.stderr)
            self.assertEqual(self.page.read_text(), page)
        self.page.write_text(PAGE)
        run = self.tables(str(MODEL.parent / "absent.gguf"))
        self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1), run.stderr)
        self.assertEqual(self.page.read_text(), PAGE)

    def test_runs_alternate_and_a_ratio_belongs_to_its_round(self) -> None:
        arguments = argparse.Namespace(command=COMMAND, threads=2, n_prompt=8, n_gen=2, rounds=3, wait=0, activations=None)
        turns, results = [], {"ours": iter((20, 30, 80)), "theirs": iter((10, 20, 20))}

        def measured(who: str) -> dict:
            turns.append(who)
            rate = next(results[who])
            return {"prefill": rate, "decode": 2 * rate, "about": who}
        with (mock.patch.object(comparison, "measure_ours", lambda *_: measured("ours")),
              mock.patch.object(comparison, "measure_theirs", lambda *_: measured("theirs")),
              mock.patch("importlib.metadata.version", lambda _: "1.2.3"), mock.patch("builtins.print")):
            result = comparison.compare([MODEL], arguments)
        self.assertEqual(turns, ["ours", "theirs"] * 3)
        self.assertEqual([r["ratio"] for r in result["rows"]], [[2, 1.5, 4], [2, 1.5, 4]])
        self.assertIn(f"| {MODEL.name} | tg2 | 60.0 (40.0-160.0) | 40.0 (20.0-40.0) | 2.00 (1.50-4.00) |",
                      comparison.markdown(result))
        self.assertEqual(len(result["others"]["librwkv"]), 3)
        self.assertEqual(result["llama_cpp"], "llama-cpp-python 1.2.3 (theirs)")

    def test_what_others_take_is_seen_and_our_own_children_are_not_others(self) -> None:
        times = iter([(0, 10, 5), (2, 13, 6)])  # wall, everybody, own
        with (mock.patch.object(facts.Neighbours, "seconds", lambda _: next(times)),
              mock.patch("os.cpu_count", lambda: 4), facts.Neighbours() as others):
            pass
        self.assertEqual(others.share, 2 / (2 * 4))

    def test_without_llama_cpp_a_sentence_names_the_package(self) -> None:
        with mock.patch("importlib.util.find_spec", lambda _: None):
            with self.assertRaisesRegex(SystemExit, "pip install llama-cpp-python"):
                comparison.check([MODEL], COMMAND)
            comparison.check([MODEL], COMMAND, needs_llama_cpp=False)

    def test_our_measurement_is_read(self) -> None:
        arguments = argparse.Namespace(command=COMMAND, threads=1, n_prompt=8, n_gen=2, activations="s8")
        measured = comparison.measure_ours(MODEL, arguments)
        self.assertGreater(measured["prefill"], 0)
        self.assertGreater(measured["decode"], 0)
        self.assertTrue(measured["about"].startswith("cpu ("))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
