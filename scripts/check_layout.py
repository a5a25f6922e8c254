#!/usr/bin/env python3
"""Checks the plan of the house: who includes whom, sizes, and where platforms may be asked for.

usage: check_layout.py            exit 1 and a sentence for each breach
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BELOW = {  # folder of src/ -> folders whose headers it may include
    "base": [],
    "tensor": ["base"],
    "formats": ["tensor", "base"],
    "tokenizers": ["base"],
    "plan": ["tensor", "base"],
    "models": ["plan", "formats", "tensor", "base"],
    "convert": ["models", "tokenizers", "formats", "plan", "tensor", "base"],
    "backends": ["plan", "tensor", "base"],
    "sampling": ["base"],
    "chat": ["tokenizers", "base"],
    "engine": ["backends", "convert", "models", "chat", "sampling", "tokenizers", "formats", "plan",
               "tensor", "base"],
    "api": ["engine", "convert", "chat", "sampling", "tokenizers", "base"],
}
MAX_FILE, MAX_FUNCTION = 600, 80
PLATFORM = re.compile(r"#\s*(?:el)?if.*(__x86_64__|__AVX|__ARM|__aarch64|_WIN32|__linux|__APPLE__)")
PLATFORM_ALLOWED = ("src/base/", "src/backends/cpu/isa/", "src/backends/cpu/simd/", "include/rwkv.h")
# Long for a reason: tables, generated data.
LONG_FILES = {"src/tokenizers/unicode_tables.inl.h"}


def sources() -> list[pathlib.Path]:
    found = []
    for folder in ("include", "src", "apps", "examples", "tests", "bench"):
        for ending in ("*.h", "*.hpp", "*.cpp"):
            found += sorted((ROOT / folder).rglob(ending))
    return found


def check_includes(name: str, text: str) -> list[str]:
    parts = name.split("/")
    included = re.findall(r'^#include "([^"]+)"', text, re.M)
    if parts[0] == "apps":
        return [f"{name}: includes {i}; the command sees include/ alone" for i in included
                if "/" in i and not i.startswith("rwkv.")]
    if parts[0] != "src":
        return []
    out = []
    for header in included:
        folder = header.split("/")[0]
        if folder in BELOW and folder != parts[1] and folder not in BELOW[parts[1]]:
            out.append(f"{name}: includes {header}; {parts[1]}/ may include {BELOW[parts[1]]}")
    return out


def functions(text: str):
    """(line, length) of bodies that begin on a line ending in ') {' or the like at namespace level."""
    lines = text.split("\n")
    start, depth = None, 0
    for number, line in enumerate(lines, 1):
        code = re.sub(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|//.*', "", line)
        if start is None and re.match(r"^ {0,2}\S.*\)[^;]*\{$", code) and "namespace" not in code:
            start, depth = number, 0
        if start is not None:
            depth += code.count("{") - code.count("}")
            if depth <= 0:
                yield start, number - start + 1
                start = None


def main() -> int:
    breaches = []
    for path in sources():
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        breaches += check_includes(name, text)
        count = text.count("\n")
        if count > MAX_FILE and name not in LONG_FILES:
            breaches.append(f"{name}: {count} lines, at most {MAX_FILE}")
        for line, length in functions(text):
            if length > MAX_FUNCTION:
                breaches.append(f"{name}:{line}: a function of {length} lines, at most {MAX_FUNCTION}")
        if not name.startswith(PLATFORM_ALLOWED):
            for match in PLATFORM.finditer(text):
                breaches.append(f"{name}: asks for a platform ({match.group(1)}) outside "
                                + ", ".join(PLATFORM_ALLOWED))
    for breach in breaches:
        print(breach)
    print(f"layout: {len(sources())} files, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
