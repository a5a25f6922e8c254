"""What stands below a table of figures: the machine, the compiler, the commit, the day."""
from __future__ import annotations

import datetime
import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMAND = ROOT / "build/release/bin/rwkv"


def cpu() -> str:
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", read("/proc/cpuinfo"), re.M)
    name = found.group(1).strip() if found else platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} logical cores for this process"


def commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
        return done.stdout.strip()
    name = git("rev-parse", "--short=12", "HEAD")
    if not name:
        return "unknown (no git)"
    # What this writes itself is no change of the program.
    changed = [line for line in git("status", "--porcelain").splitlines() if " docs/" not in line]
    return name + (" with changes" if changed else "")


def compiler(command: pathlib.Path) -> str:
    """Name, version and flags, from the build folder that `command` (BUILD/bin/rwkv) lies in."""
    cache = read(command.resolve().parent.parent / "CMakeCache.txt")

    def entry(name: str) -> str:
        found = re.search(rf"^{name}:[^=]*=(.*)$", cache, re.M)
        return found.group(1) if found else ""
    path, kind = entry("CMAKE_CXX_COMPILER"), entry("CMAKE_BUILD_TYPE")
    if not path:
        return "unknown compiler"
    version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.splitlines()[:1]
    flags = f"{entry('CMAKE_CXX_FLAGS')} {entry('CMAKE_CXX_FLAGS_' + kind.upper())}".strip()
    return f"{version[0] if version else path}, {flags or 'no flags'}"


def version(command: pathlib.Path) -> str:
    return subprocess.run([str(command), "--version"], capture_output=True, text=True).stdout.strip()


class Neighbours:
    """How much of the machine other processes took while a `with` block ran its children: `share`, 0 to 1.

    A barrier waits for the slowest thread, so a small share can cost a large part of the speed.
    """
    def __enter__(self) -> Neighbours:
        self.start = self.seconds()
        return self

    def __exit__(self, *_: object) -> None:
        wall, busy, own = (now - then for now, then in zip(self.seconds(), self.start))
        self.share = max(0.0, busy - own) / (wall * (os.cpu_count() or 1))

    @staticmethod
    def seconds() -> tuple[float, float, float]:
        """Wall clock, processor time of everybody (stolen time too), that of this process and its children."""
        first = read("/proc/stat").split("\n", 1)[0].split()[1:9] or ["0"] * 8
        user, nice, system, _idle, _wait, irq, soft, steal = (int(n) for n in first)
        own = os.times()
        return (time.monotonic(), (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK"),
                own.user + own.system + own.children_user + own.children_system)


def wait_for_quiet(limit_s: float) -> None:
    """Until others take less than a twentieth of the machine for half a second, or the limit has passed."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        with Neighbours() as others:
            time.sleep(0.5)
        if others.share < 0.05:
            return


def this_command() -> str:
    """The command line, without the folders of the machine it ran on."""
    script = pathlib.Path(sys.argv[0]).resolve()
    shown = script.relative_to(ROOT) if script.is_relative_to(ROOT) else script.name
    return shlex.join(["python3", str(shown), *(a.rsplit("/", 1)[-1] for a in sys.argv[1:])])


def own_memory(pid: int | str, exact: bool = False) -> float:
    """MB of anonymous pages; 0 when the process is gone. Exact takes milliseconds, else it is right to some 100 KB."""
    found = (re.search(r"Anonymous:\s+(\d+) kB", read(f"/proc/{pid}/smaps_rollup")) if exact
             else re.search(r"RssAnon:\s+(\d+) kB", read(f"/proc/{pid}/status")))
    return int(found.group(1)) * 1.024e-3 if found else 0.0


def today() -> str:
    return datetime.date.today().isoformat()


def read(path: str | pathlib.Path) -> str:
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""
