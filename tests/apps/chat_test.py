#!/usr/bin/env python3
"""Tests `rwkv chat` from outside, through pipes and through a pseudo-terminal.

    chat_test.py RWKV MODEL

Exit status: 0 all passed, 1 something failed, 77 there is no model. Standard library only. Any model with
a World vocabulary does; a small one makes it quick.
"""
import contextlib
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time

DEADLINE_S = 120  # to end a hanging test, far beyond what it needs
A_FOREVER = ["--logit-bias", "98+1000"]  # token of "a": a reply that never ends by itself
ESCAPE_FOREVER = ["--logit-bias", "28+1000"]

RWKV = MODEL = ""
DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../data/demo/librwkv-demo.q8_0.gguf")
failures = []


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def environment(home, **more):
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "XDG_STATE_HOME")}
    env.update({"HOME": home, "TERM": "xterm-256color", **more})
    return env


def command(*options, seed="7"):
    return [RWKV, "chat", *([] if "-m" in options else ["-m", MODEL]), "-s", seed, *options]


def piped(lines, *options, seed="7"):
    """Standard output, standard error and exit status of a chat whose turns come from a pipe."""
    done = subprocess.run(command(*options, seed=seed), input="".join(line + "\n" for line in lines),
                          capture_output=True, text=True, timeout=DEADLINE_S,
                          env=environment(tempfile.gettempdir()))
    return done.stdout, done.stderr, done.returncode


class Terminal:
    """A chat on a pseudo-terminal."""

    def __init__(self, home, *options, **env):
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (30, 80)) if hasattr(termios, "tcsetwinsize") else None
        self.mode_before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(command(*options), stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, env=environment(home, **env),
                                        preexec_fn=self._take_terminal)
        self.output = ""

    def _take_terminal(self):
        os.setsid()
        import fcntl
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def send(self, text):
        os.write(self.master, text.encode())

    def read(self, wait_s=0.05):
        while select.select([self.master], [], [], wait_s)[0]:
            self.output += os.read(self.master, 65536).decode(errors="replace")
            if wait_s:
                return True
        return False

    def wait_for(self, pattern, what):
        """Waits until it appears in what has not been waited for yet; returns the text up to its end."""
        end = time.monotonic() + DEADLINE_S
        while True:
            found = re.search(pattern, self.output, re.S)
            if found:
                seen, self.output = self.output[:found.end()], self.output[found.end():]
                return seen
            check(time.monotonic() < end, f"{what}: did not see {pattern!r} in {self.output[-400:]!r}")
            check(self.read() or self.process.poll() is None or self.read(0.2),
                  f"{what}: ended with {self.process.poll()} before {pattern!r}: {self.output[-400:]!r}")

    def wait_prompt(self):
        return self.wait_for(r"> (\x1b\[0m)?\r\x1b\[2C", "prompt")

    def stop_a_reply(self, prompt, pattern="a{50}"):
        """Says `prompt`, and Ctrl-C once the reply shows `pattern`."""
        self.wait_prompt()
        self.send(prompt + "\r")
        self.wait_for(pattern, "reply")
        self.send("\x03")
        self.wait_for(r"\(stopped\)", "stop")

    def wait_end(self):
        end = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            check(time.monotonic() < end, f"did not end: {self.output[-400:]!r}")
            self.read()
        while self.read(0.05):
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@contextlib.contextmanager
def terminal(home, *options, **env):
    chat = Terminal(home, *options, **env)
    try:
        yield chat
    finally:
        chat.close()


# ---------------------------------------------------------------- through pipes

def test_piped_turns(home):
    out, err, status = piped(["Hello", "", "How are you?"], "-n", "8")
    check(status == 0, f"status {status}: {err}")
    check(out.count("\n") >= 2 and out.strip(), f"expected two replies, got {out!r}")
    check("\x1b" not in out + err, "a colour code in a pipe")
    check("> " not in err, f"a prompt in a pipe: {err!r}")
    check(piped(["Hello", "", "How are you?"], "-n", "8")[0] == out, "the same seed gave another text")


def test_last_line_without_newline(home):
    done = subprocess.run(command("-n", "5"), input="Hello", capture_output=True, text=True,
                          timeout=DEADLINE_S)
    check(done.returncode == 0 and done.stdout == piped(["Hello"], "-n", "5")[0], done.stdout + done.stderr)


def test_single_turn(home):
    one = piped(["Hello"], "-n", "8")[0]
    check(piped(["Hello", "How are you?"], "-n", "8", "--single-turn")[0] == one, "more than one reply")
    check(piped([], "-n", "8", "-st", "-sys", "Be brief.", "-p", "Hello")[0].strip(), "no reply to -p")


def test_undo(home):
    plain = piped(["Hello", "How are you?"], "-n", "12")[0]
    undone = piped(["Hello", "What is it?", "/undo", "How are you?"], "-n", "12")
    first, second = plain[:len(piped(["Hello"], "-n", "12")[0])], piped(["Hello"], "-n", "12")[0]
    check(first == second, "the first reply differs")
    check(undone[0].startswith(first) and undone[0].endswith(plain[len(first):]),
          f"after /undo: {undone[0]!r}, without: {plain!r}")
    _, err, status = piped(["/undo"])
    check(status == 1 and "nothing to take back" in err, f"{status} {err!r}")


def test_regen(home):
    options = ["-n", "12", "--temp", "2", "--top-p", "1"]
    first = piped(["Hello"], *options)[0]
    twice = piped(["Hello", "/regen"], *options)[0]
    check(twice.startswith(first) and twice[len(first):] != first, f"{twice!r} after {first!r}")
    greedy = piped(["Hello", "/regen"], "-n", "12", "--temp", "0")[0]
    check(greedy[:len(greedy) // 2] == greedy[len(greedy) // 2:], f"greedy differs: {greedy!r}")
    # The regenerated reply replaces the first: undoing it leaves nothing.
    _, err, _ = piped(["Hello", "/regen", "/undo", "/tokens"], *options)
    check(re.search(r"^0 tokens", err, re.M), err)


def test_guesses_change_nothing_but_the_time(home):
    turns, options = ["Hello", "Hello", "Hello Hello Hello"], ["-n", "24", "--temp", "0"]
    plain = piped(turns, *options)[0]
    guessed, err, status = piped([*turns, "/stats"], *options, "--draft", "6")
    check(status == 0 and guessed == plain, f"with guesses {guessed!r}, without {plain!r}")
    check(re.search(r"of [1-9][0-9]* guesses [0-9]+ right", err), f"no guesses in /stats: {err!r}")
    # The model as its own draft guesses right as long as it has read what the model has; bytes that are no UTF-8, which
    # this model writes, it reads as they were shown.
    _, err, status = piped(["Hello", "/stats"], *options, "-md", MODEL)
    found = re.search(r"of ([0-9]+) guesses ([0-9]+) right", err)
    check(status == 0 and found and 10 * int(found[2]) > 7 * int(found[1]) > 70, f"few right guesses in /stats: {err!r}")
    turns = ["Hello", "Hello", "/regen", "/undo", "/fork a", "How are you?"]
    plain = piped(turns, *options)[0]
    guessed, err, status = piped(turns, *options, "-md", MODEL)
    check(status == 0 and guessed == plain, f"with a draft {guessed!r}, without {plain!r}")
    _, err, status = piped(["Hello"], "-md", "x.gguf")
    check(status == 1 and "x.gguf" in err, f"{status} {err!r}")
    _, err, status = piped(["Hello"], "-md", DEMO)
    check(status == 1 and re.search(r"-draft .*: \d+ tokens, expected the \d+", err), f"{status} {err!r}")


# With nothing but greedy choice the model as its own draft is wrong only about what comes after the reply's end: once.
AS_ITS_DRAFT = ["-m", DEMO, "-md", DEMO, "--temp", "0", "--presence-penalty", "0", "--frequency-penalty", "0",
                "--chat-template", "custom:A|B"]


def check_guesses(stats):
    found = re.search(r"last turn.* of (\d+) guesses (\d+) right", stats)
    check(found and int(found[2]) > 16 and int(found[1]) - int(found[2]) <= 8, f"guesses in /stats: {stats!r}")


def test_the_draft_follows_the_replies(home):
    _, err, _ = piped(["Tell me a story about a fox.", "The king said", "/stats"], "-n", "64", *AS_ITS_DRAFT)
    check_guesses(err)


def test_save_and_load(home):
    path = os.path.join(home, "a state.bin")
    whole, err, status = piped(["Hello", f"/save {path}", "How are you?"], "-n", "12")
    check(status == 0, err)
    first = piped(["Hello"], "-n", "12")[0]
    loaded, err, status = piped([f"/load {path}", "How are you?"], "-n", "12")
    check(status == 0 and whole == first + loaded, f"{whole!r} is not {first!r} + {loaded!r}: {err}")
    check(piped(["How are you?"], "-n", "12", "--state-in", path)[0] == loaded, "--state-in differs")
    other = os.path.join(home, "out.bin")
    piped(["Hello"], "-n", "12", "--state-out", other)
    with open(path, "rb") as one, open(other, "rb") as two:
        check(one.read() == two.read(), "/save and --state-out differ")
    _, err, status = piped([f"/load {home}/missing"])
    check(status == 1 and "missing" in err, f"{status} {err!r}")


def test_system(home):
    greedy = ["-n", "12", "--temp", "0"]
    by_option = piped(["Hello", "/tokens"], *greedy, "-sys", "You are a pirate.")
    by_command = piped(["/system You are a pirate.", "Hello", "/tokens"], *greedy)
    check(by_option[0] == by_command[0], f"{by_option} {by_command}")
    check(by_option[1].splitlines()[-1] == by_command[1].splitlines()[-1], f"{by_option} {by_command}")
    check(piped(["Hello"], *greedy, "-p", "You are a pirate.")[0] == by_option[0], "-p differs from -sys")
    _, err, _ = piped(["/system", "/system One.", "/system", "/undo", "/system", "/system -", "/tokens"])
    check(re.search(r"no system prompt.*\nOne\.\n.*no system prompt.*^0 tokens", err, re.S | re.M), err)


def test_fork(home):
    out, err, status = piped(["Hello", "/fork side", "Other", "/fork main", "How are you?", "/fork"], "-n", "9")
    plain = piped(["Hello", "How are you?"], "-n", "9")[0]
    check(status == 0 and out.endswith(plain[len(piped(["Hello"], "-n", "9")[0]):]), f"{out!r} {plain!r}")
    check("* main\n  side\n" in err, err)
    # Each branch keeps what it can take back.
    _, err, status = piped(["One", "/fork side", "Two", "/fork main", "/undo", "/undo", "/fork side", "/undo", "/undo"], "-n", "9")
    said = [line for line in err.splitlines() if "taken back" in line or "nothing to take" in line]
    check(["One" in said[0], "nothing" in said[1], "Two" in said[2], "One" in said[3]] == [True] * 4, said)
    _, err, status = piped([f"/fork b{i}" for i in range(40)])
    check(status == 1 and "branches" in err, "any number of branches")


def test_commands(home):
    _, err, status = piped(["/nonsense"])
    check(status == 1 and "unknown command /nonsense" in err and "/help" in err, f"{status} {err!r}")
    _, err, _ = piped(["/help"])
    for name in "help system clear save load fork undo regen temp tokens stats exit".split():
        check(f"/{name}" in err, f"/help leaves out /{name}")
    for word in ("exit", "quit", "bye"):
        out, err, status = piped([f"/{word}", "Hello"])
        check((out, status) == ("", 0), f"/{word}: {out!r} {status}")
    again = piped(["Other", "/clear", "Hello"], "-n", "9", "-p", "Be kind.")[0]
    check(again.endswith(piped(["Hello"], "-n", "9", "-p", "Be kind.")[0]), "/clear does not start over")
    check("\"" in piped(["/tokens Hello"])[1], "/tokens TEXT lists none")
    for bad in ("x", "-1", "nan", "1 2"):
        check(piped([f"/temp {bad}"])[2] == 1, f"/temp {bad} was taken")
    check(piped(["/temp 0", "Hello"], "-n", "9")[0] == piped(["Hello"], "-n", "9", "--temp", "0")[0], "/temp 0")
    check(piped(["/usr/bin is a folder"], "-n", "3")[0].count("\n") >= 1, "a path was taken for a command")
    check("tok/s" in piped(["Hello", "/stats"], "-n", "3")[1], "/stats")


def test_exit_codes(home):
    done = subprocess.run([RWKV, "chat", "-m", "/nonexistent.gguf"], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=DEADLINE_S)
    check(done.returncode == 1 and done.stderr.count("\n") == 1, f"{done.returncode} {done.stderr!r}")
    check(piped([])[2] == 0, "end of input")
    check(piped([], "--temp", "-3")[2] == 1, "--temp -3 was taken")
    check(piped(["Hello"], "--state-in", "/nonexistent")[2] == 1, "--state-in of no file")


def test_interrupt_in_a_pipe(home):
    state = os.path.join(home, "kept.bin")
    process = subprocess.Popen(command(*A_FOREVER, "--state-out", state), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
    process.stdin.write(b"Hello\n")
    begin = process.stdout.read(20)
    check(begin and set(begin) == set(b"a"), "no reply")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=DEADLINE_S)
    check(process.returncode == 130, f"status {process.returncode}")
    check(set(rest) <= set(b"a\n") and rest.endswith(b"\n"), f"the end is {rest[-40:]!r}")
    check(os.path.getsize(state) > 0, "no state was written")


def test_constant_memory(home):
    def peak_kib(n_turn):
        # AddressSanitizer keeps what was freed: that is not the chat's memory.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        process = subprocess.Popen(command("-n", "2"), stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, env=environment(home, ASAN_OPTIONS=asan))
        process.stdin.write(b"Hello\n" * n_turn)
        process.stdin.close()
        return os.wait4(process.pid, 0)[2].ru_maxrss
    short, long = peak_kib(40), peak_kib(800)
    check(long < short * 1.05 + 1024, f"{short} KiB after 40 turns, {long} after 800")


def test_thinking_in_a_pipe(home):
    out, err, status = piped(["Hello"], *A_FOREVER, "-n", "9", "--chat-template", "g1", "--think", "think")
    check((out, status) == ("\n", 0), f"{out!r} {status} {err}")
    out, _, _ = piped(["Hello"], *A_FOREVER, "-n", "9", "--chat-template", "g1", "--think", "fast")
    check(out == "a" * 9 + "\n", out)


# ---------------------------------------------------------------- on a terminal

def test_interrupt_stops_the_reply(home):
    with terminal(home, *A_FOREVER) as chat:
        for _ in range(2):
            chat.stop_a_reply("Hello")
        chat.wait_prompt()
        chat.send("\x03")
        chat.wait_for("once more", "hint")
        chat.wait_prompt()
        chat.send("\x03")
        check(chat.wait_end() == 0, "Ctrl-C twice at the prompt")
        check(termios.tcgetattr(chat.slave) == chat.mode_before, "the terminal's mode was not given back")


def test_typing_ahead(home):
    with terminal(home, *A_FOREVER, "-n", "300") as chat:
        chat.wait_prompt()
        chat.send("Hello\r")
        chat.wait_for("a{20}", "reply")
        chat.send("/tokens\r")
        seen = chat.wait_for(r"\d+ tokens", "the command typed during the reply")
        check("a/" not in seen, "what was typed shows inside the reply")


def test_dumb_terminal(home):
    with terminal(home, *A_FOREVER, TERM="dumb") as chat:
        chat.wait_for("> ", "prompt")
        chat.send("Hello\n")
        chat.wait_for("a{50}", "reply")
        chat.send("\x03")
        chat.wait_for(r"\(stopped\).*> ", "stop")
        chat.send("\x03")
        chat.wait_for("once more.*> ", "hint")
        chat.send("\x03")
        check(chat.wait_end() == 0 and "\x1b" not in chat.output, chat.output)


def test_state_after_interrupt(home):
    """What was written before Ctrl-C stays in the conversation."""
    with terminal(home, *A_FOREVER) as chat:
        chat.stop_a_reply("Hello")
        chat.wait_prompt()
        chat.send("/tokens\r")
        n = int(re.search(r"(\d+) tokens", chat.wait_for(r"\d+ tokens", "count")).group(1))
        check(n > 50, f"{n} tokens are kept")
        chat.wait_prompt()
        chat.send("\x04")
        check(chat.wait_end() == 0, "Ctrl-D")


def test_the_draft_follows_a_stopped_reply(home):
    with terminal(home, *AS_ITS_DRAFT) as chat:
        chat.stop_a_reply("Once upon a time", "[a-z]{3}.{80}")  # it never ends
        chat.stop_a_reply("The king said", "[a-z]{3}.{160}")  # nor does this
        chat.wait_prompt()
        chat.send("/stats\r")
        check_guesses(chat.wait_for("all turns", "counts"))


def test_terminal_after_signals(home):
    for number in (signal.SIGTERM, signal.SIGHUP):
        for typed in ("", "Hello\r"):  # at the prompt, in a reply
            with terminal(home, *A_FOREVER) as chat:
                chat.wait_prompt()
                chat.send(typed)
                if typed:
                    chat.wait_for("a{50}", "reply")
                chat.process.send_signal(number)
                check(chat.wait_end() == -number, f"signal {number}")
                check(termios.tcgetattr(chat.slave) == chat.mode_before, f"mode after signal {number}")


def test_escapes_are_neutralised(home):
    with terminal(home, *ESCAPE_FOREVER, "-n", "5", "--no-color") as chat:
        chat.wait_prompt()
        chat.send("Hello\r")
        seen = chat.wait_for("\u241b{5}", "symbols")
        check("\x1b\x1b" not in seen, f"a raw escape: {seen!r}")


def test_colors(home):
    think = ["--chat-template", "g1", "--think", "think", "-n", "9", "-st"]
    for env, options, colored in (({}, [], True), ({"NO_COLOR": "1"}, [], False), ({}, ["--no-color"], False)):
        with terminal(home, *A_FOREVER, *think, *options, **env) as chat:
            chat.send("Hello\r")
            check(chat.wait_end() == 0, chat.output)
            check((("\x1b[2ma" in chat.output), ("\x1b[1;32m" in chat.output)) == (colored, colored),
                  f"{env} {options}: {chat.output!r}")
            check("[thinking]" in chat.output or colored, f"thinking is not marked: {chat.output!r}")
            check(">a" not in chat.output, "the bracket of <think shows")


def test_editing(home):
    state = os.path.join(home, "state")
    typed = {
        "Helo\x1b[Dl": "Hello",
        "xHello\x01\x1b[3~": "Hello2",              # Ctrl-A, Delete
        "one two\x17three": "one three",            # Ctrl-W
        "gone\x15kept": "kept",                     # Ctrl-U
        "keep this\x1b[D\x1b[D\x1b[D\x1b[D\x0b": "keep ",  # Ctrl-K
        "h\u00e9\u65e5\u672c\x7f!": "h\u00e9\u65e5!",       # backspace takes a character
        "\x1b[200~one\r\ntwo\r\n\r\nthree\x1b[201~": "one\\ntwo\\n\\nthree",
        "first\\\rsecond": "first\\nsecond",
        "below\x1b\rnext": "below\\nnext",          # Alt-Enter
        "\x1b[A\x1b[A\x1b[B": None,                 # moves in "below\nnext": sends it again
        "a\x1b[1;5D\x1b[Hb": "ba",
        "\x1b[99;99Zok": "ok",                      # an unknown key is ignored
    }
    with terminal(home, "-n", "1", XDG_STATE_HOME=state) as chat:
        expected = []
        for keys, line in typed.items():
            chat.wait_prompt()
            chat.send(keys + ("2" if line == "Hello2" else ""))
            chat.send("\x05\r" if line == "Hello2" else "\r")
            if line:
                expected.append(line)
        chat.wait_prompt()
        chat.send("\x04")
        check(chat.wait_end() == 0, "Ctrl-D")
    path = os.path.join(state, "rwkv", "history")
    with open(path, encoding="utf-8") as history:
        lines = history.read().splitlines()
    check(stat.S_IMODE(os.stat(path).st_mode) == 0o600, "others may read the history")
    wanted = [("2Hello" if line == "Hello2" else line) for line in expected]
    check(lines == wanted, f"\n  got      {lines}\n  expected {wanted}")


def test_history(home):
    state = os.path.join(home, "state")
    with terminal(home, "-n", "1", XDG_STATE_HOME=state) as chat:
        chat.wait_prompt()
        chat.send("remember me\r")
        chat.wait_prompt()
        chat.send("\x04")
        chat.wait_end()
    with terminal(home, "-n", "1", XDG_STATE_HOME=state) as chat:
        chat.wait_prompt()
        chat.send("\x1b[A")
        chat.wait_for("remember me", "the line of the run before")
    other = os.path.join(home, "other")
    with terminal(home, "-n", "1", "--no-history", XDG_STATE_HOME=other) as chat:
        chat.wait_prompt()
        chat.send("forget me\r")
        chat.wait_prompt()
    check(not os.path.exists(other), "--no-history wrote a file")
    path = os.path.join(state, "rwkv", "history")
    with open(path, "w", encoding="utf-8") as history:
        history.writelines(f"line {i}\n" for i in range(1000))
    with terminal(home, "-n", "1", XDG_STATE_HOME=state) as chat:
        chat.wait_prompt()
        chat.send("newest\r")
        chat.wait_prompt()
    with open(path, encoding="utf-8") as history:
        lines = history.read().splitlines()
    check(len(lines) == 1000 and lines[0] == "line 1" and lines[-1] == "newest", f"{len(lines)} {lines[-2:]}")


def main():
    global RWKV, MODEL
    if len(sys.argv) != 3:
        print(__doc__)
        return 1
    RWKV, MODEL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    if not os.path.exists(MODEL):
        print(f"skipped: no model {MODEL}")
        return 77
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    for name, test in tests:
        with tempfile.TemporaryDirectory() as home:
            try:
                test(home)
                print(f"ok      {name}", flush=True)
            except (AssertionError, subprocess.TimeoutExpired, OSError, ValueError) as error:
                failures.append(name)
                print(f"FAILED  {name}: {error}", flush=True)
    print(f"{len(tests) - len(failures)} of {len(tests)} passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
