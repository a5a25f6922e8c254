#!/usr/bin/env python3
"""The question-and-answer part: reads qa/*.txt, adds what a rule can write, frames the turns.

Run it to see how many pairs there are, or with a number to see that many talks.
"""
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).parent / "qa"
NUMBERS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
           "fifteen sixteen seventeen eighteen nineteen twenty").split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = ("January February March April May June July August September October November "
          "December").split()


def frame(turns):
    return "".join(f"User: {q}\n\nAssistant: {a}\n\n" for q, a in turns)


def read_pairs(path):
    """-> groups (phrasings, answers)."""
    groups = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("? "):
            groups.append(([q.strip() for q in line[2:].split(" | ")], []))
        elif line.startswith("= "):
            groups[-1][1].append(line[2:].strip())
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"{path.name}: a line is neither ?, = nor #: {line}")
    return groups


def read_talks(path):
    talks = []
    for part in path.read_text(encoding="utf-8").split("\n--\n"):
        lines = [line for line in part.splitlines() if line[:2] in ("? ", "= ")]
        if lines:
            talks.append([(q[2:], a[2:]) for q, a in zip(lines[::2], lines[1::2])])
    return talks


def by_rule():
    """Numbers, days and months."""
    groups = []
    for a in range(1, 11):
        after = NUMBERS[a + 1]
        groups.append(([f"What comes after {NUMBERS[a]}?", f"Which number follows {NUMBERS[a]}?",
                        f"What comes after {a}?"], [f"After {NUMBERS[a]} comes {after}."]))
        for b in range(1, 6):
            groups.append(([f"What is {NUMBERS[a]} and {NUMBERS[b]}?", f"What is {a} + {b}?",
                            f"How much is {a} and {b}?"],
                           [f"{NUMBERS[a].capitalize()} and {NUMBERS[b]} make "
                            f"{NUMBERS[a + b]}."]))
    for n in (3, 5, 10):
        numbers = ", ".join(NUMBERS[1:n]) + f" and {NUMBERS[n]}"
        groups.append(([f"Count to {NUMBERS[n]}.", f"Count to {n}.",
                        f"Can you count to {NUMBERS[n]}?"], [numbers.capitalize() + "."]))
    for names, kind in ((DAYS, "day"), (MONTHS, "month")):
        for i, name in enumerate(names):
            after, before = names[(i + 1) % len(names)], names[i - 1]
            groups.append(([f"Which {kind} comes after {name}?", f"What comes after {name}?"],
                           [f"After {name} comes {after}."]))
            groups.append(([f"Which {kind} comes before {name}?", f"What comes before {name}?"],
                           [f"Before {name} comes {before}."]))
    return groups


def groups():
    out = by_rule()
    for path in sorted(HERE.glob("*.txt")):
        if path.name != "turns.txt":
            out += read_pairs(path)
    return out


def casual(question):
    """As people type it: no capital at the start, no sign at the end."""
    keep = question.startswith(("I ", "RWKV", "Alice", "Bunny"))
    question = question if keep else question[0].lower() + question[1:]
    return question.rstrip("?.!")


def texts(seed=1):
    """Every pair by itself, written well and casually, and talks of several turns."""
    rng = random.Random(seed)
    every = groups()
    talks = []
    for phrasings, answers in every:
        for question in phrasings:
            for answer in answers:
                talks.append([(question, answer)])
                talks.append([(casual(question), answer)])
    ordinary = [g for g in every if "comes" not in g[1][0] and "make " not in g[1][0]]
    for _ in range(900):
        talk = []
        for phrasings, answers in rng.sample(ordinary, rng.choice((2, 2, 3, 4))):
            question = rng.choice(phrasings)
            talk.append((casual(question) if rng.random() < 0.3 else question,
                         rng.choice(answers)))
        talks.append(talk)
    talks += read_talks(HERE / "turns.txt") * 6
    rng.shuffle(talks)
    return [frame(t) for t in talks]


if __name__ == "__main__":
    pairs = sum(len(q) * len(a) for q, a in groups())
    everything = texts()
    print(f"{len(groups())} questions, {pairs} pairs with phrasings, {len(everything)} talks, "
          f"{sum(map(len, everything))} letters")
    for talk in everything[:int(sys.argv[1]) if len(sys.argv) > 1 else 0]:
        print("-" * 40 + "\n" + talk, end="")
