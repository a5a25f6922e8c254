#!/usr/bin/env python3
"""Writes src/tokenizers/unicode_tables.inl.h: what pre-tokenizers and NFC need of Unicode.

    scripts/make_unicode_tables.py > src/tokenizers/unicode_tables.inl.h

The committed file is Unicode 16.0.0 (NFC: see AFTER_9), which needs the package
unicodedata2==16.0.0; without it Python's own (older or newer) tables are used and the first line of
the output says which.
"""
try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

# Unicode's White_Space property; Python's str.isspace() differs (U+001C..U+001F).
WHITE_SPACE = [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
               0x202F, 0x205F, 0x3000]
# NFC stays at Unicode 9: the Hugging Face package `tokenizers` (0.23), which made the token ids
# that models learned, classes letters by Unicode 16 but normalises by 9. These got a combining
# class or a composition later (computed from Python 3.6's tables, which are 9.0); text of 9.0 is
# not affected.
AFTER_9 = [
    (0x7FD, 0x7FD), (0x897, 0x89F), (0x8CA, 0x8D3), (0x9FE, 0x9FE), (0xC3C, 0xC3C), (0xD3B, 0xD3C),
    (0xEBA, 0xEBA), (0x1715, 0x1715), (0x1ABF, 0x1ACE), (0x1DF6, 0x1DFA), (0xA82C, 0xA82C),
    (0x105C9, 0x105C9), (0x105E4, 0x105E4), (0x10D24, 0x10D27), (0x10D69, 0x10D6D),
    (0x10EAB, 0x10EAC), (0x10EFD, 0x10EFF), (0x10F46, 0x10F50), (0x10F82, 0x10F85),
    (0x11070, 0x11070), (0x1133B, 0x1133B), (0x11383, 0x11383), (0x11385, 0x11385),
    (0x1138E, 0x1138E), (0x11391, 0x11391), (0x113C5, 0x113C5), (0x113C7, 0x113C8),
    (0x113CE, 0x113D0), (0x1145E, 0x1145E), (0x11839, 0x1183A), (0x11938, 0x11938),
    (0x1193D, 0x1193E), (0x11943, 0x11943), (0x119E0, 0x119E0), (0x11A34, 0x11A34),
    (0x11A47, 0x11A47), (0x11A99, 0x11A99), (0x11D42, 0x11D42), (0x11D44, 0x11D45),
    (0x11D97, 0x11D97), (0x11F41, 0x11F42), (0x16121, 0x16128), (0x1612F, 0x1612F),
    (0x16D68, 0x16D6A), (0x16FF0, 0x16FF1), (0x1E08F, 0x1E08F), (0x1E130, 0x1E136),
    (0x1E2AE, 0x1E2AE), (0x1E2EC, 0x1E2EF), (0x1E4EC, 0x1E4EF), (0x1E5EE, 0x1E5EF)]
NEWER = {c for a, b in AFTER_9 for c in range(a, b + 1)}
HANGUL = range(0xAC00, 0xD7A4)  # composed by arithmetic, not by table
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(points):
    """[(first, last)] of a sorted list of code points."""
    out = []
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def emit(kind, name, rows):
    print(f"constexpr {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        if len(line) + len(row) + 2 > 100:
            print(line)
            line = "   "
        line += f" {row},"
    print(line)
    print("};\n")


def emit_ranges(name, points):
    emit("PointRange", name, [f"{{{a:#x}, {b:#x}}}" for a, b in ranges(points)])


def canonical(c):
    """The canonical decomposition of one step: [], [a] or [a, b]."""
    text = unicodedata.decomposition(chr(c))
    return [int(x, 16) for x in text.split()] if text and text[0] != "<" else []


def main():
    category = {c: unicodedata.category(chr(c)) for c in POINTS}
    combining = {c: 0 if c in NEWER else unicodedata.combining(chr(c)) for c in POINTS}
    parts = {c: canonical(c) for c in POINTS
             if c not in HANGUL and c not in NEWER and canonical(c)}
    # Composes again: pairs that NFC keeps together. Exclusions and singletons do not.
    composes = {c for c in parts if unicodedata.normalize("NFC", chr(c)) == chr(c)}
    seconds = {parts[c][1] for c in composes}
    jamo = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))

    def begins_like(c):
        return begins_like(parts[c][0]) if c in parts else c

    unstable = [c for c in POINTS if combining[c] or c in jamo or begins_like(c) in seconds
                or (c in parts and c not in composes)]

    print(f"// Unicode {unicodedata.unidata_version}, written by scripts/make_unicode_tables.py; "
          "do not edit.")
    print("// Included by unicode.cpp alone, inside its anonymous namespace. One list of data: it has no seam.\n")
    emit_ranges("kLetters", [c for c in POINTS if category[c][0] == "L"])
    emit_ranges("kNumbers", [c for c in POINTS if category[c][0] == "N"])
    emit_ranges("kSpaces", WHITE_SPACE)
    print("// Combining, or not in NFC by itself, or able to compose with what stands before.")
    emit_ranges("kUnstable", unstable)
    classes = []
    for c in POINTS:
        if not combining[c]:
            continue
        if classes and classes[-1][1] == c - 1 and classes[-1][2] == combining[c]:
            classes[-1][1] = c
        else:
            classes.append([c, c, combining[c]])
    print("// Canonical combining classes other than 0.")
    emit("ClassRange", "kCombining", [f"{{{a:#x}, {b:#x}, {k}}}" for a, b, k in classes])
    rows = sorted(parts)
    print("// One step of canonical decomposition, by code point; second is 0 for a singleton.")
    emit("Decomposition", "kDecompositions",
         [f"{{{c:#x}, {parts[c][0]:#x}, {(parts[c] + [0])[1]:#x}}}" for c in rows])
    pairs = sorted((parts[c], i) for i, c in enumerate(rows) if c in composes)
    print("// Rows of kDecompositions that compose, sorted by their two parts.")
    emit("uint16_t", "kCompositions", [str(i) for _, i in pairs])


if __name__ == "__main__":
    main()
