#!/usr/bin/env python3
"""State tuning: learns the state a conversation starts from; the weights stay as they are.

usage: state_tune.py RUN_FOLDER DATA_FOLDER STYLE OUT.pth

Writes `blocks.i.att.time_state` [H, value, key] of every layer, bf16.
"""
import argparse

import torch

import adapters


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    adapters.add_arguments(parser)
    parser.add_argument("--lr", type=float, default=0.3)
    args = parser.parse_args()
    model, vocab = adapters.load(args)
    cfg = model.cfg
    shape = (cfg.n_embd // cfg.head_size, cfg.head_size, cfg.head_size)
    states = [torch.zeros(shape, requires_grad=True) for _ in range(cfg.n_layer)]
    adapters.fit(args, states, args.lr, lambda tokens: model(tokens, states),
                 adapters.read_style(args.style), vocab)
    adapters.save(args.out, {f"blocks.{i}.att.time_state": s for i, s in enumerate(states)})


if __name__ == "__main__":
    main()
