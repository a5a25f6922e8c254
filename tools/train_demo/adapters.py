"""What state_tune.py and lora.py share: the texts of a style and the loop over them."""
import pathlib
import random

import torch
from torch.nn import functional as F

import qa
from model import Config, Rwkv7
from vocab import END_OF_TEXT, Vocab

STYLES = pathlib.Path(__file__).parent / "styles"
# Every question is also put in these ways, so that the style does not hang on the exact words.
WAYS = ("{}", "{} Please tell me.", "Tell me: {}", "I want to know: {}")


def add_arguments(parser):
    parser.add_argument("run", type=pathlib.Path, help="folder with checkpoint.pt")
    parser.add_argument("data", type=pathlib.Path, help="folder with vocab.txt")
    parser.add_argument("style", help="a name in styles/, such as pirate, or a file of that form")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)


def load(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    saved = torch.load(args.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    model = Rwkv7(Config(**saved["config"]))
    model.load_state_dict(saved["model"])
    return model.requires_grad_(False), Vocab.load(args.data / "vocab.txt")


def read_style(name):
    """A file has a question a line, its answer below it behind `= `; ` / ` breaks a verse."""
    path = pathlib.Path(name) if "/" in name else STYLES / f"{name}.txt"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    pairs = list(zip(lines[::2], lines[1::2]))
    if len(lines) % 2 or not all(a.startswith("= ") for _, a in pairs):
        raise SystemExit(f"{path}: every question needs one answer that begins with `= `")
    return [(q, a[2:].replace(" / ", "\n")) for q, a in pairs]


def batches(pairs, vocab, size, seed=1):
    """Endless (tokens, targets) [size, T]; only answers count, the other targets are -100."""
    rng = random.Random(seed)
    while True:
        rows = []
        for _ in range(size):
            tokens, wanted = [], []
            for _ in range(rng.choice((1, 1, 2))):
                question, answer = rng.choice(pairs)
                question = rng.choice(WAYS).format(question)
                if rng.random() < 0.3:
                    question = qa.casual(question)
                asked = vocab.encode(f"User: {question}\n\nAssistant:")
                said = vocab.encode(f" {answer}\n\n")
                tokens += asked + said
                wanted += [-100] * len(asked) + said
            rows.append((tokens + [END_OF_TEXT], wanted + [END_OF_TEXT]))
        length = max(len(t) for t, _ in rows) - 1
        inputs = torch.zeros(size, length, dtype=torch.long)
        targets = torch.full((size, length), -100)
        for i, (tokens, wanted) in enumerate(rows):
            inputs[i, :len(tokens) - 1] = torch.tensor(tokens[:-1])
            targets[i, :len(wanted) - 1] = torch.tensor(wanted[1:])
        yield inputs, targets


def fit(args, params, lr, forward, pairs, vocab, batch=8):
    """AdamW without decay on params, the rate falling to zero in a line."""
    optimizer = torch.optim.AdamW(params, lr=lr, weight_decay=0.0)
    for step, (inputs, targets) in zip(range(args.steps), batches(pairs, vocab, batch)):
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (step + 1) / 10) * (1 - step / args.steps)
        loss = F.cross_entropy(forward(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        if step % 20 == 0 or step == args.steps - 1:
            print(f"step {step} loss {loss.item():.3f}", flush=True)


def save(path, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({k: v.detach().bfloat16().contiguous() for k, v in tensors.items()}, path)
    n = sum(v.numel() for v in tensors.values())
    print(f"{path}: {len(tensors)} tensors, {n} numbers")
