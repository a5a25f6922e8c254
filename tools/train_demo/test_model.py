"""Checks of the training model. Run: python3 test_model.py"""
import unittest

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from model import Config, Rwkv7, wkv7_chunked, wkv7_sequential


def wkv_inputs(T, dtype, seed=3):
    torch.manual_seed(seed)
    B, H, N = 2, 3, 64
    r, k, v, w, a = (torch.randn(B, T, H, N, dtype=torch.float64) for _ in range(5))
    kappa = F.normalize(torch.randn(B, T, H, N, dtype=torch.float64), dim=-1)
    log_w = -0.606531 * torch.sigmoid(w * 3)  # the whole range of decays
    state = torch.randn(B, H, N, N, dtype=torch.float64)
    return [x.to(dtype).requires_grad_() for x in (r, log_w, k, v, kappa, a.sigmoid(), state)]


def relative(got, want):
    return ((got.double() - want).abs().max() / want.abs().max()).item()


class Wkv(unittest.TestCase):
    def test_chunked_agrees_with_sequential(self):
        for T in (32, 64, 160):
            exact, fast = wkv_inputs(T, torch.float64), wkv_inputs(T, torch.float32)
            y, state = wkv7_sequential(*exact)
            y_fast, state_fast = wkv7_chunked(*fast)
            self.assertLess(relative(y_fast, y), 1e-5)
            self.assertLess(relative(state_fast, state), 1e-5)
            (y.sin().sum() + state.sum()).backward()
            (y_fast.sin().sum() + state_fast.sum()).backward()
            for name, want, got in zip(("r", "log_w", "k", "v", "kappa", "a", "state"), exact,
                                       fast):
                self.assertLess(relative(got.grad, want.grad), 2e-4, name)

    def test_repeated_keys_stay_stable(self):
        r, log_w, k, v, kappa, a, state = wkv_inputs(64, torch.float64)
        same = kappa[:, :1].expand_as(kappa).detach()
        ones, tiny = torch.ones_like(a), log_w * 1e-3
        y, _ = wkv7_sequential(r, tiny, k, v, same, ones, state)
        args = [x.float() for x in (r, tiny, k, v, same, ones, state)]
        self.assertLess(relative(wkv7_chunked(*args)[0], y), 1e-5)


class Model(unittest.TestCase):
    def test_padding_and_the_future_change_nothing(self):
        torch.manual_seed(1)
        model = Rwkv7(Config(n_layer=2, n_embd=128, n_vocab=50, n_ffn=256))
        for p in model.parameters():
            p.data.add_(torch.randn_like(p) * 0.05)
        tokens = torch.randint(0, 50, (2, 70))
        with torch.no_grad():
            whole, part = model(tokens), model(tokens[:, :41])
        self.assertLess((whole[:, :41] - part).abs().max().item(), 1e-4)
        self.assertGreater((whole[:, 0] - whole[:, 1]).abs().max().item(), 1e-3)

    def test_every_tensor_is_made_on_the_models_device(self):
        with FakeTensorMode():  # tensors without memory: no GPU is needed to ask for one
            with torch.device("cuda"):
                model = Rwkv7(Config(n_layer=2, n_embd=128, n_vocab=50, n_ffn=256))
                tokens = torch.randint(0, 50, (2, 70))
            with torch.autocast("cuda", torch.bfloat16):
                self.assertEqual(model(tokens).device.type, "cuda")


if __name__ == "__main__":
    unittest.main()
