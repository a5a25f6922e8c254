"""As much of torch as the golden folder's converter calls, on numpy, for machines without torch."""
import collections
import io
import pathlib
import pickle
import sys
import zipfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))
from rwkv_files.pth_file import write_pth  # noqa: E402
from rwkv_files.tensors import Tensor as Named  # noqa: E402

_STORAGES = {"FloatStorage": np.float32, "HalfStorage": np.float16, "DoubleStorage": np.float64}


class Tensor:
    def __init__(self, array: np.ndarray):
        self.array = array

    def double(self) -> "Tensor":
        return Tensor(self.array.astype(np.float64))

    def float(self) -> "Tensor":
        return Tensor(self.array.astype(np.float32))

    def numpy(self) -> np.ndarray:
        return self.array


def from_numpy(array: np.ndarray) -> Tensor:
    return Tensor(array)


def _rebuild(storage, offset, size, stride, *_rest) -> Tensor:
    strides = tuple(s * storage.itemsize for s in stride)
    return Tensor(np.lib.stride_tricks.as_strided(storage[offset:], size, strides).copy())


def load(path: str, map_location: str, weights_only: bool) -> dict:
    file = zipfile.ZipFile(path)
    pickled = next(name for name in file.namelist() if name.endswith("/data.pkl"))

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str):
            if module == "torch" and name in _STORAGES:
                return _STORAGES[name]
            if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                return _rebuild
            if (module, name) == ("collections", "OrderedDict"):
                return collections.OrderedDict
            raise pickle.UnpicklingError(f"{module}.{name}: not a tensor's")

        def persistent_load(self, pid):
            _, kind, key, _, _ = pid
            return np.frombuffer(file.read(pickled.replace("data.pkl", f"data/{key}")), kind)

    return Unpickler(io.BytesIO(file.read(pickled))).load()


def save(tensors: dict, path: str) -> None:
    write_pth(pathlib.Path(path), [Named.of(name, t.array, "f32") for name, t in tensors.items()])
