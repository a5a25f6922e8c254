"""Just enough GGUF (version 3) for the demo: writing a model, and reading it back to check it."""
import struct

import numpy

F32, F16, Q8_0, BF16 = 0, 1, 8, 30
# Tensor type, file type.
FILE_TYPES = {"f32": (F32, 0), "f16": (F16, 1), "bf16": (BF16, 32), "q8_0": (Q8_0, 7)}
Q8_0_BLOCK = numpy.dtype([("scale", "<f2"), ("values", "i1", 32)])  # along a row
ALIGNMENT = 32
U32, FLOAT, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5


def to_bf16(x):
    """float32 -> its upper 16 bits, rounded to nearest even."""
    bits = numpy.ascontiguousarray(x, dtype="<f4").view("<u4").astype(numpy.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def from_bf16(x):
    return (x.astype("<u4") << 16).view("<f4")


def to_q8_0(x):
    rows = x.reshape(-1, 32).astype("<f4")
    scale = abs(rows).max(1, keepdims=True) / 127
    out = numpy.empty(len(rows), Q8_0_BLOCK)
    out["scale"] = scale[:, 0]
    out["values"] = numpy.rint(numpy.divide(rows, scale, out=numpy.zeros_like(rows), where=scale > 0))
    return out


def from_q8_0(raw):
    return (raw["scale"].astype("<f4")[:, None] * raw["values"]).reshape(-1)


def pack(x, kind):
    if kind == BF16:
        return to_bf16(x).tobytes()
    if kind == Q8_0:
        return to_q8_0(x).tobytes()
    return x.astype("<f4" if kind == F32 else "<f2").tobytes()


def string(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def value(v):
    if isinstance(v, bool):
        return struct.pack("<IB", BOOL, v)
    if isinstance(v, int):
        return struct.pack("<II", U32, v)
    if isinstance(v, float):
        return struct.pack("<If", FLOAT, v)
    if isinstance(v, str):
        return struct.pack("<I", STRING) + string(v)
    kind = STRING if isinstance(v[0], str) else I32
    items = b"".join(string(x) if kind == STRING else struct.pack("<i", x) for x in v)
    return struct.pack("<IIQ", ARRAY, kind, len(v)) + items


def write(path, metadata, tensors):
    """tensors: name -> (float32 array, type)."""
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
    for key, v in metadata.items():
        head += string(key) + value(v)
    data = []
    offset = 0
    for name, (x, kind) in tensors.items():
        packed = pack(x, kind)
        head += string(name) + struct.pack("<I", x.ndim)
        head += struct.pack(f"<{x.ndim}Q", *reversed(x.shape))
        head += struct.pack("<IQ", kind, offset)
        packed += bytes(-len(packed) % ALIGNMENT)
        offset += len(packed)
        data.append(packed)
    head += bytes(-len(head) % ALIGNMENT)
    with open(path, "wb") as f:
        f.write(head)
        f.writelines(data)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        out = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return out[0] if len(out) == 1 else out

    def string(self):
        n = self.take("Q")
        self.at += n
        return bytes(self.data[self.at - n:self.at]).decode()

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            inner, n = self.take("IQ")
            return [self.value(inner) for _ in range(n)]
        return self.take({U32: "I", I32: "i", FLOAT: "f", BOOL: "?"}[kind])


def read(path):
    """-> metadata, tensors (name -> float32 array, outermost dimension first)."""
    with open(path, "rb") as f:
        r = Reader(f.read())
    if r.data[:4] != b"GGUF":
        raise ValueError(f"{path}: not a GGUF file")
    r.at = 4
    version, n_tensor, n_pair = r.take("IQQ")
    if version != 3:
        raise ValueError(f"{path}: GGUF version {version}, this reads 3")
    metadata, infos = {}, []
    for _ in range(n_pair):
        key = r.string()
        metadata[key] = r.value(r.take("I"))
    for _ in range(n_tensor):
        name, n = r.string(), r.take("I")
        shape = [r.take("Q") for _ in range(n)][::-1]
        infos.append((name, shape, *r.take("IQ")))
    base = r.at + -r.at % ALIGNMENT
    tensors = {}
    for name, shape, kind, offset in infos:
        form = {F32: "<f4", F16: "<f2", BF16: "<u2", Q8_0: Q8_0_BLOCK}[kind]
        count = int(numpy.prod(shape)) // (32 if kind == Q8_0 else 1)
        raw = numpy.frombuffer(r.data, form, count, base + offset)
        plain = {BF16: from_bf16, Q8_0: from_q8_0}.get(kind, lambda x: x.astype("<f4"))
        tensors[name] = plain(raw).reshape(shape)
    return metadata, tensors
