#!/usr/bin/env python3
"""A small LoRA: W + alpha / rank * B A on the matrices of every block.

usage: lora.py RUN_FOLDER DATA_FOLDER STYLE OUT.pth [--rank 8 --alpha 16]

Writes `blocks.i.att.receptance.lora_A` [rank, in], `.lora_B` [out, rank] and so on, bf16. The
file does not hold alpha: whoever loads it must be told.
"""
import argparse

import torch
from torch import nn
from torch.nn import functional as F

import adapters

TARGETS = ("att.receptance", "att.key", "att.value", "att.output", "ffn.key", "ffn.value")


class LoraLinear(nn.Module):
    def __init__(self, weight, rank, alpha):
        super().__init__()
        self.weight, self.scale = weight, alpha / rank
        self.lora_A = nn.Parameter(torch.randn(rank, weight.shape[1]) / weight.shape[1] ** 0.5)
        self.lora_B = nn.Parameter(torch.zeros(weight.shape[0], rank))

    def forward(self, x):
        return F.linear(x, self.weight) + F.linear(F.linear(x, self.lora_A),
                                                   self.lora_B) * self.scale


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    adapters.add_arguments(parser)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--alpha", type=float, default=16)
    parser.add_argument("--lr", type=float, default=3e-3)
    args = parser.parse_args()
    model, vocab = adapters.load(args)
    for block in model.blocks:
        for target in TARGETS:
            part, name = target.split(".")
            owner = getattr(block, part)
            setattr(owner, name, LoraLinear(getattr(owner, name).weight, args.rank, args.alpha))
    learned = {n: p for n, p in model.named_parameters() if n.endswith(("lora_A", "lora_B"))}
    adapters.fit(args, list(learned.values()), args.lr, model,
                 adapters.read_style(args.style), vocab)
    adapters.save(args.out, learned)


if __name__ == "__main__":
    main()
