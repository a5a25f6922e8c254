"""A vocabulary in the World form: greedy longest match over bytes.

Id 0 ends a text and has no string, ids 1..256 are the single bytes, the rest longer strings.
File: one line an entry, `<id> <python literal> <length in bytes>`.
"""
import ast

END_OF_TEXT = 0
END_LINE = "<|endoftext|>"


class Vocab:
    def __init__(self, strings):
        """strings: bytes objects, id 1 first."""
        self.strings = [b""] + list(strings)
        self.ids = {s: i for i, s in enumerate(self.strings) if i}
        for byte in range(256):
            if self.ids.get(bytes([byte])) != byte + 1:
                raise ValueError(f"byte {byte} must be entry {byte + 1}")
        # Lengths worth trying, longest first, by the first two bytes.
        lengths = {}
        for s in self.ids:
            if len(s) > 1:
                lengths.setdefault(s[:2], set()).add(len(s))
        self.lengths = {k: sorted(v, reverse=True) for k, v in lengths.items()}

    def __len__(self):
        return len(self.strings)

    def encode(self, text):
        data = text.encode() if isinstance(text, str) else text
        ids, lengths, out, i, end = self.ids, self.lengths, [], 0, len(data)
        while i < end:
            for n in lengths.get(data[i:i + 2], ()):
                token = ids.get(data[i:i + n])
                if token is not None and i + n <= end:
                    out.append(token)
                    i += n
                    break
            else:
                out.append(data[i] + 1)
                i += 1
        return out

    def decode(self, tokens):
        return b"".join(self.strings[t] for t in tokens).decode("utf-8", "replace")

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            for i, s in enumerate(self.strings[1:], 1):
                f.write(f"{i} {literal(s)} {len(s)}\n")

    @classmethod
    def load(cls, path):
        strings = []
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                i, rest = line.split(" ", 1)
                text, length = rest.rsplit(" ", 1)
                s = ast.literal_eval(text)
                s = s.encode() if isinstance(s, str) else s
                if int(i) != number or int(length) != len(s):
                    raise ValueError(f"{path}: line {number} is not entry {number}")
                strings.append(s)
        return cls(strings)


def literal(s):
    """A str literal where the bytes are UTF-8, else a bytes literal."""
    try:
        return repr(s.decode())
    except UnicodeDecodeError:
        return repr(s)


# What one string may span: a run of newlines, one word with the space before it, one digit, a run
# of signs. Turns of a chat then always break before a word and after a blank line.
PIECES = (r"\n+|'(?:s|t|re|ve|m|ll|d)(?![\p{L}])| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s")


def learn(texts, n_vocab, extra=()):
    """Learns byte-pair merges on the texts; returns a Vocab of n_vocab entries with `extra`."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    extra = [e.encode() for e in extra]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PIECES), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=n_vocab - 1, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    to_byte = byte_level_alphabet()
    in_order = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    longer = [bytes(to_byte[c] for c in name) for name, _ in in_order if len(name) > 1]
    longer = [s for s in longer if s not in extra][:n_vocab - 257 - len(extra)] + extra
    if len(longer) != n_vocab - 257:
        raise ValueError(f"the text yields {len(longer) + 257} entries, {n_vocab} were asked for")
    return Vocab([bytes([b]) for b in range(256)] + sorted(longer, key=lambda s: (len(s), s)))


def byte_level_alphabet():
    """The printable character that stands for each byte in byte-level BPE -> the byte."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    table = {chr(b): b for b in shown}
    table.update({chr(256 + n): b for n, b in enumerate(hidden)})
    return table
