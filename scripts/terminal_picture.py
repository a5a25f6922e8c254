#!/usr/bin/env python3
"""Records a terminal session as an animated SVG: the picture in the README.

    terminal_picture.py OUT.svg [--scene FILE]     (needs `pip install pyte`, a terminal emulator)

Types the lines of the scene (default: below) into a real bash in a terminal of its own, waits after each until the
screen has been still for a while, and draws what was seen, at the speed at which it came; longer pauses are cut.
A viewer that plays no animation shows the last screen.
"""
from __future__ import annotations

import argparse
import fcntl
import html
import os
import pathlib
import pty
import select
import struct
import termios
import time

import pyte

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCENE = """\
rwkv run -m data/demo/librwkv-demo.q8_0.gguf -p "Once upon a time" -n 90 --temp 0.4 --seed 2
rwkv chat -m data/demo/librwkv-demo.q8_0.gguf
What is librwkv?
What is a state?
/exit
"""
COLUMNS, ROWS = 92, 20
LETTER, LINE, EDGE = 8.4, 18, 12  # pixels
TYPING, STILL, LONGEST = 0.03, 1.5, 0.8  # seconds: a letter; after which a line counts as answered; pause that is kept
COLOURS = {"default": "#d8dee9", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b", "blue": "#61afef",
           "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#ffffff", "black": "#5c6370", "brightblack": "#7f848e"}


class Recording:
    def __init__(self) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.rows: list[list[tuple[float, str]]] = [[(0.0, "")] for _ in range(ROWS)]
        self.clock, self.last = 0.0, time.monotonic()

    def feed(self, data: bytes) -> None:
        now = time.monotonic()
        self.clock += min(now - self.last, LONGEST)
        self.last = now
        self.stream.feed(data)
        for y in range(ROWS):
            spans = self.spans(y)
            if spans != self.rows[y][-1][1]:
                self.rows[y].append((self.clock, spans))

    def spans(self, y: int) -> str:
        """One row as tspans of one colour each."""
        out, text, look = "", "", None
        line = self.screen.buffer[y]
        width = max((x + 1 for x in range(COLUMNS) if line[x].data.strip()), default=0)
        for x in range(width + 1):
            cell = line[x] if x < width else None
            style = cell and (cell.fg, cell.bold)
            if style != look:
                if text:
                    bold = ' font-weight="bold"' if look[1] else ""
                    out += f'<tspan fill="{COLOURS.get(look[0], "#d8dee9")}"{bold}>{html.escape(text)}</tspan>'
                text, look = "", style
            text += cell.data if cell else ""
        return out


def record(scene: list[str]) -> Recording:
    recording = Recording()
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe("bash", ["bash", "--norc", "--noprofile"],
                   {**os.environ, "PS1": r"\[\e[32m\]$\[\e[0m\] ", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8",
                    "HOME": "/nonexistent", "HISTFILE": "", "PATH": f"{ROOT}/build/release/bin:{os.environ['PATH']}"})
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def watch(seconds: float) -> None:
        """Until nothing has come for so long."""
        while select.select([master], [], [], seconds)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:
                return
            recording.feed(data)

    watch(STILL)
    for line in scene:
        for letter in line:
            os.write(master, letter.encode())
            watch(TYPING)
        os.write(master, b"\r")
        watch(STILL)
    os.close(master)
    return recording


def draw(recording: Recording) -> str:
    width, height = COLUMNS * LETTER + 2 * EDGE, ROWS * LINE + 2 * EDGE
    out = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
           f'font-family="monospace" font-size="14" xml:space="preserve">\n'
           f'<rect width="100%" height="100%" rx="8" fill="#1e222a"/>\n')
    for y, states in enumerate(recording.rows):
        for (start, spans), (end, _) in zip(states, states[1:] + [(None, "")]):
            if not spans or end == start:
                continue
            if end is None:  # stays: hidden only until it came
                turn, look = f'<set attributeName="visibility" to="hidden" begin="0s" end="{start:.2f}s"/>', ""
            else:
                turn = f'<set attributeName="visibility" to="visible" begin="{start:.2f}s" end="{end:.2f}s"/>'
                look = ' visibility="hidden"'
            out += f'<text x="{EDGE}" y="{EDGE + LINE * y + 14}"{look}>{turn}{spans}</text>\n'
    return out + "</svg>\n"


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--scene", type=pathlib.Path)
    a = p.parse_args()
    scene = a.scene.read_text() if a.scene else SCENE
    a.out.write_text(draw(record(scene.splitlines())))


if __name__ == "__main__":
    main()
