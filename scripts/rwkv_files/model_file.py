"""One call for every format: a model under BlinkDL's names -> a file or a folder."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

from .blocks import BLOCKS
from .ggmf_file import write_ggmf
from .gguf_file import write_gguf
from .gguf_metadata import gguf_metadata
from .hf_config import hf_config
from .names import under_names
from .pth_file import write_pth
from .quantization import ggmf_blocks, gguf_blocks
from .safetensors_file import write_safetensors, write_sharded
from .shapes import Shape
from .tensors import Tensor
from .vocabulary import WORLD_FILE


SUFFIXES = (".gguf", ".pth", ".safetensors", ".st", ".bin")


def format_suffix(path: Path) -> str:
    """The ending that names a format; "" is a folder (whose name may hold points)."""
    return path.suffix if path.suffix in SUFFIXES and not path.is_dir() else ""


def usual_names(path: Path, shape: Shape) -> str:
    suffix = format_suffix(path)
    by_suffix = {".gguf": "gguf", ".bin": "rwkv.cpp", ".st": "web-rwkv"}
    if suffix in by_suffix:
        return by_suffix[suffix]
    if shape.hybrid:
        return "qwen-hf"
    if suffix:
        return "blinkdl"
    return "fla" if shape.version == "v7" else "blinkdl" if shape.version == "v7a" else "hf"


def write_model(path: Path, tensors: list[Tensor], shape: Shape, dtype: str,
                scheme: str | None = None, n_shards: int = 1) -> list[Tensor]:
    """By the path's ending: .gguf .pth .safetensors .st .bin; any other: a Hugging Face folder.

    Returns the tensors as written.
    """
    scheme, suffix = scheme or usual_names(path, shape), format_suffix(path)
    is_gguf, is_ggmf = scheme.startswith("gguf"), scheme == "rwkv.cpp"
    if (suffix == ".gguf") != is_gguf or (suffix == ".bin") != is_ggmf:
        raise ValueError(f"names of {scheme} do not go into {path}")
    if n_shards > 1 and suffix:
        raise ValueError("shards are for folders")
    if dtype in BLOCKS and suffix not in (".gguf", ".bin"):
        raise ValueError(f"{dtype} is for .gguf and .bin files")
    if suffix == ".bin" and dtype == "bf16":
        raise ValueError("rwkv.cpp's .bin has no bf16")
    if scheme == "web-rwkv" and dtype != "f16":
        raise ValueError("web-rwkv's files are f16")
    tensors = under_names(scheme, tensors, shape)
    if dtype in BLOCKS:
        tensors = (gguf_blocks if suffix == ".gguf" else ggmf_blocks)(tensors, dtype)
    if suffix == ".gguf":
        write_gguf(path, gguf_metadata(shape, dtype, path.stem), tensors)
    elif suffix == ".pth":
        write_pth(path, tensors)
    elif suffix in (".safetensors", ".st"):
        write_safetensors(path, tensors)
    elif suffix == ".bin":
        write_ggmf(path, tensors, shape.n_layer, dtype)
    else:
        _write_folder(path, tensors, shape, dtype, scheme, n_shards)
    return tensors


def _write_folder(path: Path, tensors: list[Tensor], shape: Shape, dtype: str, scheme: str,
                  n_shards: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    write_sharded(path, tensors, n_shards)
    config = json.dumps(hf_config(shape, scheme, dtype), indent=2)
    (path / "config.json").write_text(config + "\n")
    if shape.n_vocab == 65536 and not shape.hybrid:
        shutil.copyfile(WORLD_FILE, path / WORLD_FILE.name)
