#!/usr/bin/env python3
"""Measures, and writes the tables of docs/performance.md: figures there are never typed.

    tables.py MODEL.gguf [MODEL.gguf ...] [-t 2] [-p 128] [-n 32] [-r 3] [--wait 20] [--activations s8] [--no-comparison]

Runs `rwkv bench` (table and docs/performance.svg) and compare_llama_cpp.py, and replaces what stands
between the marks <!-- bench:begin --> and <!-- bench:end -->, only when everything was measured. The README shows the
comparison too.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import subprocess

import compare_llama_cpp as comparison
import facts

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def parse_arguments() -> argparse.Namespace:
    p = comparison.common_arguments(__doc__)
    p.add_argument("--no-comparison", action="store_true", help="leave llama.cpp out")
    p.add_argument("--page", type=pathlib.Path, default=facts.ROOT / "docs/performance.md")
    return p.parse_args()


def bench(a: argparse.Namespace, plot: pathlib.Path) -> list[dict]:
    command = [str(a.command), "bench", "-t", str(a.threads), "-p", str(a.n_prompt), "-n", str(a.n_gen),
               "-r", str(a.rounds), "-o", "json", "--plot", str(plot), *comparison.activations(a)]
    for model in a.models:
        command += ["-m", str(model)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{a.command} bench failed (its message stands above)")
    return [json.loads(line) for line in done.stdout.splitlines()]


def bench_table(rows: list[dict]) -> str:
    lines = ["| model | test | tokens/s, median (min-max) | GB/s | bound | bound tokens/s | of bound |",
             "|---|---|---|---|---|---|---|"]
    for r in rows:
        rate = f"{r['tokens_per_s']:.1f} ({r['min']:.1f}-{r['max']:.1f})"
        lines.append(f"| {r['model_type']} | {r['test']} | {rate} | {r['gb_per_s']:.1f} | {r['bound']} "
                     f"| {r['bound_tokens_per_s']:.1f} | {100 * r['share_of_bound']:.0f} % |")
    return "\n".join(lines)


def files(a: argparse.Namespace) -> str:
    """Each file with its tensors' types and the start of its hash."""
    parts = []
    for model in a.models:
        info = json.loads(subprocess.run([str(a.command), "info", "--json", str(model)], check=True,
                                         capture_output=True, text=True).stdout)
        types = ", ".join(f"{count} {name}" for name, count in info["tensor_types"].items())
        parts.append(f"{model.name} ({info['n_parameter'] / 1e6:.0f} M parameters, {types}, "
                     f"sha256 {sha256(model)[:16]})")
    return "; ".join(parts)


def sha256(path: pathlib.Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            hashed.update(block)
    return hashed.hexdigest()


def section(a: argparse.Namespace, rows: list[dict], others: float, compared: dict | None,
            plot: str) -> str:
    machine = f"{facts.cpu()}; {facts.compiler(a.command)}; commit {facts.commit()}; {facts.today()}"
    command = f"`{facts.this_command()}`"
    out = ["### Of the bound", "", bench_table(rows), "",
           f"{facts.version(a.command)}, {rows[0]['device']}; {a.rounds} repetitions; other processes took "
           f"{100 * others:.0f} % of the machine; {machine}. Written by "
           f"{command}.", "", f"Files: {files(a)}.", "", f"![Speed as a share of its bound]({plot})"]
    if compared:
        out += ["", "### Beside llama.cpp", "", comparison.markdown(compared), "",
                f"{compared['librwkv']}; {compared['llama_cpp']}; same files, {a.threads} threads each, "
                f"{a.rounds} rounds in turns; {comparison.disturbance(compared)}; {machine}. "
                f"Written by {command}."]
    return "\n".join(out)


def replaced(page: str, text: str, name: str) -> str:
    """`page` with `text` between the marks."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise SystemExit(f"{name}: expected one line {BEGIN} and one {END} after it")
    return f"{page[:page.index(BEGIN)]}{BEGIN}\n{text}\n{page[page.index(END):]}"


def write_whole(path: pathlib.Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)


def show_in_readme(page: str, readme: pathlib.Path) -> None:
    """The comparison's table as it stands in `page`, and the line below it."""
    table = page.split("### Beside llama.cpp\n\n")[1].split("Written by")[0].strip()
    write_whole(readme, replaced(facts.read(readme), table, readme.name))


def main() -> None:
    a = parse_arguments()
    comparison.check(a.models, a.command, needs_llama_cpp=not a.no_comparison)
    page = facts.read(a.page)
    replaced(page, "", a.page.name)  # refuses before the minutes of measuring
    plot = a.page.with_suffix(".svg")
    facts.wait_for_quiet(a.wait)
    with facts.Neighbours() as others:
        rows = bench(a, plot)
    compared = None if a.no_comparison else comparison.compare(a.models, a)
    page = replaced(page, section(a, rows, others.share, compared, plot.name), a.page.name)
    write_whole(a.page, page)
    if compared:
        show_in_readme(page, facts.ROOT / "README.md")
    print(f"{a.page}: written")


if __name__ == "__main__":
    main()
