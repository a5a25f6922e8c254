#!/usr/bin/env python3
"""Fills the last column of the README's table "What works" from the results of the tests.

    works_table.py [BUILD]        runs ctest in BUILD (default: build/dev), which must be built

Every row has a pattern below of the tests that cover it. A row whose tests fail says so; a row without tests, or a pattern
without a row, is an error. A test that was skipped counts as not run.
"""
from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- works:begin -->", "<!-- works:end -->"
TESTS = {
    "versions": r"TinyModel|tiny_model|GgufModel|DataModel|Version/|refusal|demo_model",
    "files": r"^(gguf|pth|zip|pickle|safetensors|Shards|hf_folder|ggmf|OpenTensorFile|validate)\b",
    "names": r"DataModel|gguf_name|hf_folder|same_weights",
    "weights": r"Blocks|LinearBlocks|Layout|dtype|half|bfloat",
    "tokenizers": r"token|bpe|world|utf8|merges|nfc|pre_token|lookup|unicode",
    "machines": r"^(linear|epilogue|activation|norm|wkv|tables)|LinearB|LinearByUnit|[Ee]xactness",
    "conversion": r"Convert|Writers|GgufExport|Quantize|Encode|encode|Lora|convert_quantize",
    "states": r"StateFile|StateLayouts|EachVersion|Tuned|session|convert_quantize_state",
    "sampling": r"sampler|filters|penalties|dry|presets|generation|Speculation",
    "chat": r"chat|LineBuffer|ReplyFilter",
    "quality": r"perplexity|imatrix|quality|input_sums",
    "models by name": r"pull|Catalogue|ChooseGguf|PartFile|RangeSet|Sha256|Source|SizeText",
    "as a library": r"^api\.|examples",
}


def results(build: pathlib.Path) -> dict[str, str]:
    """Test name -> "run" (passed), "fail", "skipped" ..."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        subprocess.run(["ctest", "--test-dir", str(build), "-j2", "-Q", "--output-junit", file.name])
        return {case.get("name"): case.get("status") for case in ElementTree.parse(file.name).iter("testcase")}


def cell(title: str, found: dict[str, str]) -> str:
    states = [state for name, state in found.items() if re.search(TESTS[title], name)]
    passed, failed = states.count("run"), states.count("fail")
    if not passed and not failed:
        sys.exit(f"row \"{title}\": no test has run")
    return f"**{failed} of {passed + failed} fail**" if failed else f"{passed} pass"


def main() -> None:
    page = README.read_text()
    before, rest = page.split(BEGIN)
    table, after = rest.split(END)
    found = results(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/dev")
    rows, seen = [], set()
    for line in table.strip().splitlines():
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[0] in TESTS:
            seen.add(cells[0])
            cells = [*cells[:2], cell(cells[0], found)]
        elif cells[0] and not cells[0].startswith("--"):
            sys.exit(f"row \"{cells[0]}\": has no pattern in {pathlib.Path(__file__).name}")
        rows.append("| " + " | ".join(cells) + " |")
    if missing := set(TESTS) - seen:
        sys.exit(f"{README.name}: no row for {', '.join(sorted(missing))}")
    README.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
