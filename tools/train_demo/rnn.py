#!/usr/bin/env python3
"""Runs the demo model one token after the other with NumPy: the slow, plain way, as a check.

usage: rnn.py MODEL PROMPT [--tokens 60] [--state FILE] [--lora FILE --alpha 16]

MODEL is a .gguf (its vocabulary inside) or a .pth with --vocab FILE.
"""
import argparse
import ast

import numpy

import gguf_file
from names import from_gguf
from vocab import Vocab


def layer_norm(x, weight, bias, eps=1e-5):
    return (x - x.mean()) / numpy.sqrt(x.var() + eps) * weight + bias


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


class Rnn:
    """weights: {checkpoint name: array}. Everything in `dtype`."""

    def __init__(self, weights, dtype=numpy.float64):
        self.w = {k: x.astype(dtype) for k, x in weights.items()}
        for name, x in self.w.items():
            if x.ndim == 3:
                self.w[name] = x.reshape(-1)
        self.n_head, self.size = self.w["blocks.0.att.r_k"].shape
        self.n_layer = 1 + max(int(n.split(".")[1]) for n in weights if n.startswith("blocks."))
        self.dtype = dtype

    def empty_state(self, wkv=None):
        """Per layer [shift of time mix, shift of channel mix, wkv [H, value, key]]."""
        C, H, N = self.n_head * self.size, self.n_head, self.size
        return [[numpy.zeros(C, self.dtype), numpy.zeros(C, self.dtype),
                 numpy.zeros((H, N, N), self.dtype) if wkv is None else
                 wkv[f"blocks.{i}.att.time_state"].astype(self.dtype)]
                for i in range(self.n_layer)]

    def step(self, token, state):
        """-> logits; state is changed."""
        w = self.w
        x = layer_norm(w["emb.weight"][token], w["blocks.0.ln0.weight"], w["blocks.0.ln0.bias"])
        v_first = None
        for i in range(self.n_layer):
            p = f"blocks.{i}."
            h = layer_norm(x, w[p + "ln1.weight"], w[p + "ln1.bias"])
            y, v_first = self.time_mix(p + "att.", i, h, v_first, state[i])
            x = x + y
            h = layer_norm(x, w[p + "ln2.weight"], w[p + "ln2.bias"])
            mixed = h + (state[i][1] - h) * w[p + "ffn.x_k"]
            state[i][1] = h
            k = numpy.maximum(w[p + "ffn.key.weight"] @ mixed, 0) ** 2
            x = x + w[p + "ffn.value.weight"] @ k
        return w["head.weight"] @ layer_norm(x, w["ln_out.weight"], w["ln_out.bias"])

    def time_mix(self, p, layer, h, v_first, state):
        w, H, N = self.w, self.n_head, self.size
        d = state[0] - h
        state[0] = h
        xr, xw, xk, xv, xa, xg = (h + d * w[p + "x_" + c] for c in "rwkvag")
        r, k, v = (w[p + n + ".weight"] @ m for n, m in
                   (("receptance", xr), ("key", xk), ("value", xv)))
        decay = sigmoid(w[p + "w0"] + numpy.tanh(xw @ w[p + "w1"]) @ w[p + "w2"])
        decay = numpy.exp(-numpy.exp(-0.5) * decay)
        a = sigmoid(w[p + "a0"] + xa @ w[p + "a1"] @ w[p + "a2"])
        g = sigmoid(xg @ w[p + "g1"]) @ w[p + "g2"]
        kappa = (k * w[p + "k_k"]).reshape(H, N)
        kappa = kappa / numpy.maximum(numpy.linalg.norm(kappa, axis=1, keepdims=True), 1e-12)
        k = k * (1 + (a - 1) * w[p + "k_a"])
        if layer == 0:
            v_first = v
        else:
            v = v + (v_first - v) * sigmoid(w[p + "v0"] + xv @ w[p + "v1"] @ w[p + "v2"])
        r, k, v, a, decay = (t.reshape(H, N) for t in (r, k, v, a, decay))
        S = state[2]
        removed = numpy.einsum("hij,hj->hi", S, -kappa)
        S = (S * decay[:, None] + removed[:, :, None] * (kappa * a)[:, None]
             + v[:, :, None] * k[:, None])
        state[2] = S
        y = numpy.einsum("hij,hj->hi", S, r)
        y = (y - y.mean(1, keepdims=True)) / numpy.sqrt(y.var(1, keepdims=True) + 64e-5)
        y = y.reshape(-1) * w[p + "ln_x.weight"] + w[p + "ln_x.bias"]
        bonus = (r * k * w[p + "r_k"]).sum(1, keepdims=True) * v
        return w[p + "output.weight"] @ ((y + bonus.reshape(-1)) * g), v_first


def vocab_of(metadata):
    body = metadata["tokenizer.ggml.tokens"][1:]
    return Vocab([ast.literal_eval('b"' + s.replace('"', '\\"') + '"') for s in body])


def load(path, vocab_path=None):
    """-> weights under the checkpoint's names, Vocab."""
    if str(path).endswith(".gguf"):
        metadata, tensors = gguf_file.read(path)
        return from_gguf(tensors, metadata["rwkv7.wkv.head_size"]), vocab_of(metadata)
    return load_pth(path), Vocab.load(vocab_path)


def load_pth(path):
    import torch
    saved = torch.load(path, map_location="cpu", weights_only=True)
    return {k: x.float().numpy() for k, x in saved.items()}


def apply_lora(weights, lora, alpha):
    """W + alpha / rank * B A."""
    for name in [n[:-len(".lora_A")] for n in lora if n.endswith(".lora_A")]:
        a, b = lora[name + ".lora_A"], lora[name + ".lora_B"]
        weights[name + ".weight"] = weights[name + ".weight"] + alpha / len(a) * (b @ a)


def generate(rnn, state, tokens, n, temperature=0.0, seed=1, stop=()):
    rng = numpy.random.default_rng(seed)
    for t in tokens:
        logits = rnn.step(t, state)
    out = []
    while len(out) < n:
        if temperature:
            p = numpy.exp((logits - logits.max()) / temperature)
            token = int(rng.choice(len(p), p=p / p.sum()))
        else:
            token = int(logits.argmax())
        if token == 0 or token in stop:
            break
        out.append(token)
        logits = rnn.step(token, state)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("prompt", help=r"\n stands for a new line")
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--temperature", type=float, default=0.0, help="0: greedy")
    parser.add_argument("--vocab")
    parser.add_argument("--state", help="a state-tuned .pth")
    parser.add_argument("--lora", help="a LoRA .pth")
    parser.add_argument("--alpha", type=float, default=16)
    args = parser.parse_args()
    weights, vocab = load(args.model, args.vocab)
    if args.lora:
        apply_lora(weights, load_pth(args.lora), args.alpha)
    rnn = Rnn(weights, numpy.float32)
    state = rnn.empty_state(load_pth(args.state) if args.state else None)
    prompt = args.prompt.replace("\\n", "\n")
    print(prompt + vocab.decode(generate(rnn, state, vocab.encode(prompt), args.tokens,
                                         args.temperature)))


if __name__ == "__main__":
    main()
