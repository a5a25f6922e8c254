#!/usr/bin/env python3
"""Trains the demo model: resumable, on a CPU (one process a core) or on CUDA.

usage: train.py DATA_FOLDER RUN_FOLDER [options]          (DATA_FOLDER is what prepare.py wrote)

SIGTERM or SIGINT saves RUN_FOLDER/checkpoint.pt and ends; the same command goes on from there.
SIGSTOP and SIGCONT only pause. RUN_FOLDER/log.csv has one line every few steps, times in UTC.
The schedule depends on the tokens seen and the total asked for; --tokens may be changed when
resuming. --end-at shortens that total so that the cosine ends near a time of day.
"""
import argparse
import csv
import datetime
import math
import os
import pathlib
import signal
import sys
import time

# Keep freed memory: mapping it anew costs 5 %. The C library reads this when a process starts.
if "MALLOC_MMAP_THRESHOLD_" not in os.environ and os.name == "posix":
    os.environ.update(MALLOC_MMAP_THRESHOLD_="4000000000", MALLOC_TRIM_THRESHOLD_="8000000000")
    os.execv(sys.executable, sys.orig_argv)

import numpy
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn import functional as F

from model import Config, Rwkv7
from vocab import END_OF_TEXT, Vocab


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("run", type=pathlib.Path)
    add = parser.add_argument
    add("--layers", type=int, default=6)
    add("--width", type=int, default=256)
    add("--context", type=int, default=256)
    add("--batch", type=int, default=8, help="sequences a process and step")
    add("--processes", type=int, default=1)
    add("--threads", type=int, default=1, help="threads a process")
    add("--tokens", type=float, default=30e6, help="length of the cosine")
    add("--minutes", type=float, default=1e9, help="save and end after so long")
    add("--end-at", help="HH:MM in UTC: shorten --tokens so that training ends about then")
    add("--lr", type=float, default=2e-3)
    add("--lr-end", type=float, default=1e-4)
    add("--decay", type=float, default=0.1, help="weight decay on matrices")
    add("--save-minutes", type=float, default=4)
    add("--valid-every", type=int, default=250, help="steps")
    add("--seed", type=int, default=1)
    add("--device", default="cpu", choices=("cpu", "cuda"))
    add("--fp32", action="store_true", help="no bf16 in the big products")
    add("--compile", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


class Data:
    """Windows of story text, and windows packed from whole talks."""

    def __init__(self, folder, seed):
        self.train = numpy.fromfile(folder / "train.bin", dtype="<u2")
        self.valid = numpy.fromfile(folder / "valid.bin", dtype="<u2")
        qa = numpy.fromfile(folder / "qa.bin", dtype="<u2")
        self.talks = numpy.split(qa, numpy.flatnonzero(qa == END_OF_TEXT)[:-1] + 1)
        self.rng = numpy.random.default_rng(seed)

    def talk_window(self, length):
        """Starts with a talk: a chat begins with an empty state, or behind an end of text."""
        out = []
        while len(out) < length:
            out += self.talks[self.rng.integers(len(self.talks))].tolist()
        return out[:length]

    def batch(self, n, context, qa_share):
        rows = []
        for _ in range(n):
            if self.rng.random() < qa_share:
                rows.append(self.talk_window(context + 1))
            else:
                start = self.rng.integers(len(self.train) - context)
                rows.append(self.train[start:start + context + 1].astype(numpy.int64))
        return torch.from_numpy(numpy.array(rows, dtype=numpy.int64))

    def valid_batches(self, n, context):
        """The same n windows every time, spread over the whole of valid."""
        starts = numpy.linspace(0, len(self.valid) - context - 1, n).astype(int)
        rows = numpy.stack([self.valid[s:s + context + 1] for s in starts]).astype(numpy.int64)
        return torch.from_numpy(rows).split(8)


def make_optimizer(model, args):
    """AdamW; only matrices decay, and the decay's bias w0 learns twice as fast."""
    matrices, vectors, fast = [], [], []
    for name, p in model.named_parameters():
        if name.endswith("att.w0"):
            fast.append(p)
        else:
            (matrices if p.dim() == 2 and name.endswith(".weight") else vectors).append(p)
    groups = [{"params": matrices, "weight_decay": args.decay, "speed": 1},
              {"params": vectors, "weight_decay": 0.0, "speed": 1},
              {"params": fast, "weight_decay": 0.0, "speed": 2}]
    return torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.99), eps=1e-18)


class Trainer:
    def __init__(self, args, rank):
        self.args, self.rank = args, rank
        torch.manual_seed(args.seed)  # the same weights in every process
        n_vocab = len(Vocab.load(args.data / "vocab.txt"))
        self.cfg = Config(n_layer=args.layers, n_embd=args.width, n_vocab=n_vocab,
                          n_ffn=4 * args.width)
        self.model = Rwkv7(self.cfg).to(args.device)
        self.optimizer = make_optimizer(self.model, args)
        self.tokens, self.step, self.total = 0, 0, args.tokens
        self.checkpoint = args.run / "checkpoint.pt"
        if self.checkpoint.exists():
            self.load()
        # Each resumption draws fresh windows, each process its own.
        self.data = Data(args.data, [args.seed, self.step, rank])
        self.blocks, self.head_loss = list(self.model.blocks), self.plain_head_loss
        if args.compile:
            self.blocks = [torch.compile(b, dynamic=False) for b in self.blocks]
            self.head_loss = torch.compile(self.head_loss, dynamic=False)

    def plain_head_loss(self, x, want):
        logits = self.model.head(self.model.ln_out(x))
        return F.cross_entropy(logits.flatten(0, 1).float(), want.flatten())

    def loss(self, rows, compiled=True):
        blocks = self.blocks if compiled else self.model.blocks
        head_loss = self.head_loss if compiled else self.plain_head_loss
        rows = rows.to(self.args.device)
        with torch.autocast(self.args.device, torch.bfloat16, enabled=not self.args.fp32):
            x, v_first = self.model.emb(rows[:, :-1]), None
            n_head, size = self.cfg.n_embd // self.cfg.head_size, self.cfg.head_size
            state = torch.zeros(len(rows), n_head, size, size, device=x.device)
            for block in blocks:
                x, v_first = block(x, v_first, state)
            return head_loss(x, rows[:, 1:])

    def context(self):
        return self.args.context * (2 if self.tokens > 0.9 * self.total else 1)

    def train_step(self):
        args, context = self.args, self.context()
        done = min(self.tokens / self.total, 1)
        warm = min(1, (self.step + 1) / 100)
        floor = args.lr_end / args.lr
        lr = args.lr * warm * (floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["speed"]
        n = max(1, args.batch * args.context // context)  # as many tokens when they are longer
        rows = self.data.batch(n, context, 0.2 if done > 0.9 else 0.03)
        loss = self.loss(rows)
        loss.backward()
        params = [p for p in self.model.parameters() if p.grad is not None]
        value = loss.detach().float().cpu().reshape(1)
        if args.processes > 1:
            flat = torch.cat([p.grad.reshape(-1) for p in params] + [value])
            dist.all_reduce(flat)
            flat /= args.processes
            pieces = flat.split([p.numel() for p in params] + [1])
            for p, piece in zip(params, pieces):
                p.grad.copy_(piece.view_as(p))
            value = pieces[-1]
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        self.optimizer.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += n * context * args.processes
        return value.item(), lr

    def valid_loss(self):
        """Natural-log loss a token on 64 windows; only the first process asks."""
        with torch.no_grad():
            batches = self.data.valid_batches(64, self.args.context)
            losses = [self.loss(b, compiled=False).item() for b in batches]
        return sum(losses) / len(losses)

    def save(self):
        self.args.run.mkdir(parents=True, exist_ok=True)
        new = self.checkpoint.with_suffix(".new")
        torch.save({"config": self.cfg.as_dict(), "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(), "tokens": self.tokens,
                    "step": self.step, "total": self.total}, new)
        os.replace(new, self.checkpoint)  # a crash leaves the old one or the new one

    def load(self):
        saved = torch.load(self.checkpoint, map_location=self.args.device, weights_only=True)
        if saved["config"] != self.cfg.as_dict():
            raise SystemExit(f"{self.checkpoint}: made with {saved['config']}, asked for "
                             f"{self.cfg.as_dict()}")
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.tokens, self.step = saved["tokens"], saved["step"]
        if self.args.end_at:
            self.total = min(self.total, saved["total"])  # until the speed is known again


def seconds_until(clock):
    now = datetime.datetime.now(datetime.timezone.utc)
    hour, minute = map(int, clock.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0)
    if end < now - datetime.timedelta(hours=12):
        end += datetime.timedelta(days=1)
    return (end - now).total_seconds()


def agree(values, args):
    """The first process's values, in all of them."""
    t = torch.tensor(values, dtype=torch.float64)
    if args.processes > 1:
        dist.broadcast(t, 0)
    return t.tolist()


def train(rank, args, stop):
    torch.set_num_threads(args.threads)
    if args.processes > 1:
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        dist.init_process_group("gloo", rank=rank, world_size=args.processes,
                                init_method=f"file://{(args.run / 'meet').absolute()}")
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    trainer = Trainer(args, rank)
    first = rank == 0
    log = None
    if first:
        path = args.run / "log.csv"
        new = not path.exists()
        log = open(path, "a", newline="")
        writer = csv.writer(log)
        if new:
            writer.writerow(["time", "step", "tokens", "loss", "valid_loss", "tokens_per_s", "lr",
                             "total"])
        print(f"{sum(p.numel() for p in trainer.model.parameters())} parameters, at "
              f"{trainer.tokens} tokens", flush=True)
    begin = saved = mark = time.time()
    mark_tokens, losses, speed, steps_here = trainer.tokens, [], 0.0, 0
    while True:
        loss, lr = trainer.train_step()
        steps_here += 1
        losses.append(loss)
        if trainer.step % 10:
            continue
        now = time.time()
        # The first steps hold compilation: they say nothing about speed.
        if steps_here > 10:
            fresh = (trainer.tokens - mark_tokens) / (now - mark)
            speed = 0.97 * speed + 0.03 * fresh if speed else fresh
        if args.end_at and speed:
            left = max(0, seconds_until(args.end_at))
            # Kept from growing, and let settle: the speed of a shared machine wavers.
            trainer.total = min(args.tokens, trainer.tokens + speed * left + 1)
        ends = (trainer.tokens >= trainer.total or now - begin > args.minutes * 60
                or stop.is_set())
        save = ends or now - saved > args.save_minutes * 60
        trainer.total, ends, save = agree([trainer.total, ends, save], args)
        if first:
            valid = trainer.valid_loss() if trainer.step % args.valid_every == 0 or ends else None
            writer.writerow([time.strftime("%H:%M:%S", time.gmtime()), trainer.step,
                             trainer.tokens, f"{sum(losses) / len(losses):.4f}",
                             "" if valid is None else f"{valid:.4f}", f"{speed:.0f}",
                             f"{lr:.2e}", int(trainer.total)])
            log.flush()
            if save:
                trainer.save()
            if valid is not None or save:
                print(f"step {trainer.step} tokens {trainer.tokens} of {trainer.total:.0f} loss "
                      f"{sum(losses) / len(losses):.3f} valid {valid} {speed:.0f} tokens/s",
                      flush=True)
        if save:
            saved = time.time()
        losses, mark, mark_tokens = [], time.time(), trainer.tokens
        if ends:
            break
    if args.processes > 1:
        dist.destroy_process_group()


def main():
    args = arguments()
    args.run.mkdir(parents=True, exist_ok=True)
    (args.run / "meet").unlink(missing_ok=True)
    context = mp.get_context("spawn")
    stop = context.Event()
    if args.processes == 1:
        train(0, args, stop)
        return
    children = [context.Process(target=train, args=(rank, args, stop))
                for rank in range(args.processes)]
    for child in children:
        child.start()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        raise SystemExit("a training process failed")


if __name__ == "__main__":
    main()
