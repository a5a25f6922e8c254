#!/usr/bin/env python3
"""Continues a text from Python, with nothing but the C library: every language that can call C can do the same.

usage: complete.py LIBRWKV_SO MODEL TEXT
"""
import ctypes
import sys

library_path, model_path, text = sys.argv[1:4]
lib = ctypes.CDLL(library_path)
lib.rwkv_error_text.restype = ctypes.c_char_p
lib.rwkv_n_vocab.restype = ctypes.c_size_t
lib.rwkv_n_vocab.argtypes = [ctypes.c_void_p]


def check(status: int) -> None:
    if status != 0:
        sys.exit(lib.rwkv_error_text().decode())


model, session = ctypes.c_void_p(), ctypes.c_void_p()
check(lib.rwkv_model_open(model_path.encode(), None, ctypes.byref(model)))
check(lib.rwkv_session_open(model, ctypes.byref(session)))

prompt = text.encode()
tokens, n_token = (ctypes.c_int32 * len(prompt))(), ctypes.c_size_t()  # never more tokens than bytes
check(lib.rwkv_tokenize(model, prompt, ctypes.c_size_t(len(prompt)), False, tokens, ctypes.c_size_t(len(prompt)),
                        ctypes.byref(n_token)))
logits = (ctypes.c_float * lib.rwkv_n_vocab(model))()
written = prompt
for _ in range(40):
    check(lib.rwkv_session_feed(session, tokens, n_token, logits))
    best = max(range(len(logits)), key=logits.__getitem__)  # greedy; rwkv_sampler_* does better
    piece, n_byte = ctypes.c_char_p(), ctypes.c_size_t()
    check(lib.rwkv_token_bytes(model, ctypes.c_int32(best), False, ctypes.byref(piece), ctypes.byref(n_byte)))
    written += ctypes.string_at(piece, n_byte.value)
    tokens, n_token = (ctypes.c_int32 * 1)(best), ctypes.c_size_t(1)
print(written.decode(errors="replace"))
lib.rwkv_session_close(session)
lib.rwkv_model_close(model)
