"""The World vocabulary as GGUF metadata, and toy vocabularies in its form."""
from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

from .gguf_file import Metadata

WORLD_FILE = Path(__file__).resolve().parents[2] / "data" / "rwkv_vocab_v20230424.txt"
NORMAL, CONTROL, UNUSED = 1, 3, 5

# System, User and Assistant turns, each ended by a blank line.
CHAT_TEMPLATE = (
    "{%- for m in messages -%}"
    "{{- m['role'] | capitalize + ': ' + m['content'] | trim + '\\n\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}")


def world_tokens() -> list[bytes]:
    """Tokens by id; id 0 (end of text) is b""."""
    tokens = [b""]
    for line in WORLD_FILE.read_text(encoding="utf-8").rstrip("\n").split("\n"):
        literal = ast.literal_eval(line[line.index(" "):line.rindex(" ")].strip())
        tokens.append(literal if isinstance(literal, bytes) else literal.encode())
    return tokens


def vocabulary(n_vocab: int) -> list[bytes]:
    """World itself for 65536; else the bytes, "\\n\\n" and a spread of World's tokens."""
    world = world_tokens()
    if n_vocab >= len(world):
        return world
    if n_vocab < 257:
        raise ValueError(f"a World vocabulary has at least 257 entries, not {n_vocab}")
    head = world[:min(n_vocab, 262)]
    rest = np.linspace(262, len(world) - 1, n_vocab - len(head)).astype(int)
    return head + [world[i] for i in rest]


def tokenizer_metadata(n_vocab: int) -> Metadata:
    if n_vocab <= 256:
        return []
    tokens = vocabulary(n_vocab)
    texts = ["<s>"] + [repr(t)[2:-1] for t in tokens[1:]]  # the body of a bytes literal
    types = [CONTROL] + [NORMAL] * (len(tokens) - 1)
    texts += [f"[PAD{i}]" for i in range(len(tokens), n_vocab)]
    types += [UNUSED] * (n_vocab - len(tokens))
    meta: Metadata = [
        ("tokenizer.ggml.model", "str", "rwkv"),
        ("tokenizer.ggml.tokens", "str[]", texts),
        ("tokenizer.ggml.token_type", "i32[]", types),
        ("tokenizer.ggml.bos_token_id", "u32", 0),
        ("tokenizer.ggml.eos_token_id", "u32", 0),
    ]
    if b"\n\n" in tokens:
        meta.append(("tokenizer.ggml.eot_token_id", "u32", tokens.index(b"\n\n")))
    meta.append(("tokenizer.chat_template", "str", CHAT_TEMPLATE))
    return meta
