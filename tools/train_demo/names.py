"""The checkpoint's tensors under GGUF's names, and back."""
import numpy

OUTER = {"emb.weight": "token_embd.weight", "head.weight": "output.weight",
         "ln_out.weight": "output_norm.weight", "ln_out.bias": "output_norm.bias",
         "blocks.0.ln0.weight": "token_embd_norm.weight",
         "blocks.0.ln0.bias": "token_embd_norm.bias"}
LAYER = {"ln1.weight": "attn_norm.weight", "ln1.bias": "attn_norm.bias",
         "ln2.weight": "attn_norm_2.weight", "ln2.bias": "attn_norm_2.bias",
         "att.ln_x.weight": "time_mix_ln.weight", "att.ln_x.bias": "time_mix_ln.bias",
         "ffn.x_k": "channel_mix_lerp_k.weight", "ffn.key.weight": "channel_mix_key.weight",
         "ffn.value.weight": "channel_mix_value.weight",
         "att.k_k": "time_mix_k_k.weight", "att.k_a": "time_mix_k_a.weight",
         "att.r_k": "time_mix_r_k.weight"}
LAYER.update({f"att.{m}.weight": f"time_mix_{m}.weight"
              for m in ("receptance", "key", "value", "output")})
LAYER.update({f"att.{c}{n}": f"time_mix_{c}{n}.weight"
              for c in "wavg" for n in "012" if c + n != "g0"})
MIXES = "rwkvag"
FUSED = "time_mix_lerp_fused.weight"
FACTORS = [f"att.{c}{n}" for c in "wavg" for n in "12"]  # stored in x out in a checkpoint
# F32 whatever the file's type: vectors, norms, mixes, and the decay's two factors.
ALWAYS_F32 = ("norm", "time_mix_ln", "lerp", "_w1.", "_w2.")


def to_gguf(weights):
    """{checkpoint name: array} -> {GGUF name: array}."""
    out = {gguf: weights[name] for name, gguf in OUTER.items()}
    n_layer = 1 + max(int(n.split(".")[1]) for n in weights if n.startswith("blocks."))
    for i in range(n_layer):
        old, new = f"blocks.{i}.", f"blk.{i}."
        for name, gguf in LAYER.items():
            # Layer 0 has no use for its v factors; other readers expect copies of the a factors.
            source = name.replace("att.v", "att.a") if i == 0 and name[:5] == "att.v" and \
                name[5:] in ("0", "1", "2") else name
            x = weights[old + source]
            out[new + gguf] = x.T if name in FACTORS else x.reshape(-1) if x.ndim == 3 or \
                name == "att.r_k" else x
        out[new + FUSED] = numpy.stack(
            [weights[f"{old}att.x_{c}"].reshape(-1) for c in MIXES]).reshape(6, 1, 1, -1)
    return out


def from_gguf(tensors, head_size):
    """{GGUF name: array} -> {checkpoint name: array}; vectors are [C]."""
    out = {name: tensors[gguf] for name, gguf in OUTER.items()}
    n_layer = 1 + max(int(n.split(".")[1]) for n in tensors if n.startswith("blk."))
    for i in range(n_layer):
        old, new = f"blocks.{i}.", f"blk.{i}."
        for name, gguf in LAYER.items():
            x = tensors[new + gguf]
            out[old + name] = x.T if name in FACTORS else x
        out[old + "att.r_k"] = out[old + "att.r_k"].reshape(-1, head_size)
        fused = tensors[new + FUSED].reshape(6, -1)
        out.update({f"{old}att.x_{c}": fused[n] for n, c in enumerate(MIXES)})
    return out
