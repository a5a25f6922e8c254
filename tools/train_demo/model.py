"""RWKV-7 (x070) for training: the model with its chunked WKV in plain PyTorch.

Shapes: B sequences, T tokens, C = n_embd = H * N, H heads, N head size, V vocabulary.
Parameters carry the names and shapes of BlinkDL's checkpoints, so that export is a plain copy.
`wkv7_sequential` is the definition (one token after the other); `wkv7_chunked` is the same sum
in matrix products over chunks of tokens, and is what training uses.
"""
import math
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F

CHUNK = 32
DECAY_SCALE = math.exp(-0.5)  # log of the decay is -DECAY_SCALE * sigmoid(...)
GROUP_NORM_EPS = 64e-5


@dataclass
class Config:
    n_layer: int = 6
    n_embd: int = 256
    n_vocab: int = 4096
    head_size: int = 64
    n_ffn: int = 1024
    rank_w: int = 32
    rank_a: int = 32
    rank_v: int = 16
    rank_g: int = 48

    as_dict = asdict


def wkv7_sequential(r, log_w, k, v, kappa, a, state):
    """r log_w k v kappa a [B, T, H, N], state [B, H, value, key] -> y [B, T, H, N], state."""
    out = []
    for t in range(r.shape[1]):
        w_t, k_t, v_t, kap_t = log_w[:, t].exp(), k[:, t], v[:, t], kappa[:, t]
        removed = -(state * kap_t.unsqueeze(-2)).sum(-1, keepdim=True)
        state = (state * w_t.unsqueeze(-2) + removed * (kap_t * a[:, t]).unsqueeze(-2)
                 + v_t.unsqueeze(-1) * k_t.unsqueeze(-2))
        out.append((state * r[:, t].unsqueeze(-2)).sum(-1))
    return torch.stack(out, 1), state


def wkv7_chunked(r, log_w, k, v, kappa, a, state):
    """The same as wkv7_sequential; T must be a multiple of CHUNK.

    With W_t the product of the decays since the chunk began and U_t = S_{t-1} (-kappa_t),
      S_t = S_0 W_t + sum_{s<=t} (U_s b_s + v_s k_s) W_t / W_s,     b = kappa a
    so U solves a unit lower triangular system, and U, y and the next chunk's S_0 are all linear
    in S_0. Only that last line is left to do one chunk after the other.
    """
    B, T, H, N = r.shape
    n_chunk = T // CHUNK

    def chunks(x):  # [B, T, H, N] -> [B, H, n_chunk, CHUNK, N]
        return x.reshape(B, n_chunk, CHUNK, H, N).permute(0, 3, 1, 2, 4)

    r, log_w, k, v, kappa, a = map(chunks, (r, log_w, k, v, kappa, a))
    upto = log_w.cumsum(-2)
    # Decays are counted from the middle of the chunk: 1 / W stays below exp(0.61 * 16) = 2e4.
    middle = upto[..., CHUNK // 2 - 1:CHUNK // 2, :]
    last = upto[..., -1:, :]
    since_middle = (upto - middle).exp()
    a_mid = -kappa * (upto - log_w - middle).exp()
    r_mid = r * since_middle
    growth = 1 / since_middle
    b_mid, k_mid = kappa * a * growth, k * growth

    scores = torch.cat([a_mid, r_mid], -2) @ torch.cat([b_mid, k_mid], -2).transpose(-1, -2)
    ab, ak = scores[..., :CHUNK, :CHUNK].tril(-1), scores[..., :CHUNK, CHUNK:].tril(-1)
    rb, rk = scores[..., CHUNK:, :CHUNK].tril(), scores[..., CHUNK:, CHUNK:].tril()

    from_start = middle.exp()
    eye = torch.eye(CHUNK, dtype=r.dtype, device=r.device)
    u = torch.linalg.solve_triangular(
        eye - ab, torch.cat([a_mid * from_start, ak @ v], -1), upper=False, unitriangular=True)
    u_s, u_v = u[..., :N], u[..., N:]  # U = u_s S_0^T + u_v
    y_u = rb @ u
    y_s, y_v = r_mid * from_start + y_u[..., :N], rk @ v + y_u[..., N:]

    to_end = (last - middle).exp()
    b_end, k_end = b_mid * to_end, k_mid * to_end
    keep = torch.diag_embed(last.exp().squeeze(-2)) + u_s.transpose(-1, -2) @ b_end
    add = u_v.transpose(-1, -2) @ b_end + v.transpose(-1, -2) @ k_end
    starts = []
    for c in range(n_chunk):  # state [B, H, value, key]
        starts.append(state)
        state = state @ keep[:, :, c] + add[:, :, c]
    y = y_s @ torch.stack(starts, 2).transpose(-1, -2) + y_v
    return y.permute(0, 2, 3, 1, 4).reshape(B, T, H, N), state


def shifted(x):
    """The previous token's row; zero before the first."""
    return F.pad(x, (0, 0, 1, -1))


class TimeMix(nn.Module):
    def __init__(self, cfg, layer):
        super().__init__()
        C, N = cfg.n_embd, cfg.head_size
        self.first, self.n_head, self.head_size = layer == 0, C // N, N
        depth = layer / max(cfg.n_layer - 1, 1)  # 0 .. 1
        rest = 1 - layer / cfg.n_layer           # 1 .. almost 0
        i = torch.arange(C)
        place = i / C
        linear = i / (C - 1) - 0.5
        zigzag = ((i % N) - (N - 1) / 2) / ((N - 1) / 2)
        zigzag = zigzag * zigzag.abs()

        def vector(x):
            return nn.Parameter(x.float().reshape(1, 1, C).clone())

        for name, power in (("r", 0.2), ("w", 0.9), ("k", 0.7), ("v", 0.7), ("a", 0.9),
                            ("g", 0.2)):
            setattr(self, "x_" + name, vector(1 - place ** (power * rest)))
        decay = -6 + 6 * (i / (C - 1)) ** (1 + depth ** 0.3)
        self.w0 = vector(decay + 0.5 + zigzag * 2.5)
        self.a0 = vector(-0.19 + zigzag * 0.3 + linear * 0.4)
        self.v0 = vector(0.73 - linear * 0.4)
        self.k_k = vector(0.71 - linear * 0.1)
        self.k_a = vector(torch.full((C,), 1.02))
        self.r_k = nn.Parameter(torch.full((C // N, N), -0.04))
        for name in "wavg":
            rank = getattr(cfg, "rank_" + name)
            setattr(self, name + "1", nn.Parameter(torch.zeros(C, rank)))
            second = nn.init.orthogonal_(torch.empty(rank, C), gain=0.1)
            setattr(self, name + "2", nn.Parameter(second))
        for name, scale in (("receptance", 0.5), ("key", 0.05), ("value", 0.5), ("output", 0)):
            matrix = nn.Linear(C, C, bias=False)
            nn.init.uniform_(matrix.weight, -scale / C ** 0.5, scale / C ** 0.5)
            setattr(self, name, matrix)
        self.ln_x = nn.GroupNorm(C // N, C, eps=GROUP_NORM_EPS)
        nn.init.constant_(self.ln_x.weight, ((1 + layer) / cfg.n_layer) ** 0.7)

    def forward(self, x, v_first, state):
        B, T, C = x.shape
        H, N = self.n_head, self.head_size
        d = shifted(x) - x
        xr, xw, xk, xv, xa, xg = (x + d * mix for mix in (
            self.x_r, self.x_w, self.x_k, self.x_v, self.x_a, self.x_g))
        r, k, v = self.receptance(xr), self.key(xk), self.value(xv)
        log_w = -DECAY_SCALE * torch.sigmoid(self.w0 + (torch.tanh(xw @ self.w1) @ self.w2).float())
        a = torch.sigmoid(self.a0 + xa @ self.a1 @ self.a2)
        g = torch.sigmoid(xg @ self.g1) @ self.g2
        if self.first:
            v_first = v
        else:
            v = v + (v_first - v) * torch.sigmoid(self.v0 + xv @ self.v1 @ self.v2)
        kappa = F.normalize((k * self.k_k).view(B, T, H, N).float(), dim=-1, eps=1e-12)
        k = k * (1 + (a - 1) * self.k_a)

        def heads(t):
            return t.view(B, T, H, N).float()

        r, k, v, log_w, a = map(heads, (r, k, v, log_w, a))
        with torch.autocast(x.device.type, enabled=False):  # the recurrence stays in fp32
            y, _ = wkv7_chunked(r, log_w, k, v, kappa, a, state)
        y = F.group_norm(y.reshape(B * T, C), H, self.ln_x.weight, self.ln_x.bias,
                         GROUP_NORM_EPS).view(B, T, C)
        bonus = (r * k * self.r_k).sum(-1, keepdim=True) * v
        return self.output((y + bonus.view(B, T, C)) * g), v_first


class ChannelMix(nn.Module):
    def __init__(self, cfg, layer):
        super().__init__()
        C = cfg.n_embd
        rest = 1 - layer / cfg.n_layer
        self.x_k = nn.Parameter((1 - (torch.arange(C) / C) ** (rest ** 4)).view(1, 1, C))
        self.key = nn.Linear(C, cfg.n_ffn, bias=False)
        self.value = nn.Linear(cfg.n_ffn, C, bias=False)
        nn.init.uniform_(self.key.weight, -0.5 / C ** 0.5, 0.5 / C ** 0.5)
        nn.init.zeros_(self.value.weight)

    def forward(self, x):
        k = self.key(x + (shifted(x) - x) * self.x_k)
        return self.value(torch.relu(k) ** 2)


class Block(nn.Module):
    def __init__(self, cfg, layer):
        super().__init__()
        if layer == 0:
            self.ln0 = nn.LayerNorm(cfg.n_embd)
        self.first = layer == 0  # no layer number: torch.compile then shares one graph
        self.ln1, self.ln2 = nn.LayerNorm(cfg.n_embd), nn.LayerNorm(cfg.n_embd)
        self.att, self.ffn = TimeMix(cfg, layer), ChannelMix(cfg, layer)

    def forward(self, x, v_first, state):
        if self.first:
            x = self.ln0(x)
        y, v_first = self.att(self.ln1(x), v_first, state)
        x = x + y
        return x + self.ffn(self.ln2(x)), v_first


class Rwkv7(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.emb = nn.Embedding(cfg.n_vocab, cfg.n_embd)
        self.blocks = nn.ModuleList(Block(cfg, i) for i in range(cfg.n_layer))
        self.ln_out = nn.LayerNorm(cfg.n_embd)
        self.head = nn.Linear(cfg.n_embd, cfg.n_vocab, bias=False)
        nn.init.uniform_(self.emb.weight, -1e-4, 1e-4)  # ln0 brings the rows to size
        nn.init.orthogonal_(self.head.weight, gain=0.5 * (cfg.n_vocab / cfg.n_embd) ** 0.5)

    def forward(self, tokens, states=None):
        """tokens [B, T] -> logits [B, T, V]. states: per layer [H, N, N], or None for zeros.

        T is padded to whole chunks; causality keeps the padding out of the rows returned.
        """
        B, T = tokens.shape
        cfg = self.cfg
        tokens = F.pad(tokens, (0, -T % CHUNK))
        x, v_first = self.emb(tokens), None
        zeros = torch.zeros(B, cfg.n_embd // cfg.head_size, cfg.head_size, cfg.head_size,
                            device=x.device)
        for layer, block in enumerate(self.blocks):
            start = zeros if states is None else states[layer].unsqueeze(0) + zeros
            x, v_first = block(x, v_first, start)
        return self.head(self.ln_out(x[:, :T]))
