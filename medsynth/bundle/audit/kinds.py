"""What a file is, by its first bytes and its name: the bytes decide, because readers go by them."""

from __future__ import annotations

import posixpath
from enum import Enum

from medsynth.bundle.audit.pickles import looks_like_pickle


class Kind(Enum):
    """How a file is looked into."""

    ARCHIVE = "zip archive"
    PICKLE = "pickle"
    NPY = "NumPy array"
    SAFETENSORS = "safetensors"
    ONNX = "ONNX"
    PROGRAM = "compiled program"
    PACKED = "packed archive"
    GZIP = "gzip"
    HDF = "HDF5"
    CONFIG = "config"
    CODE = "code"
    TEXT = "text"
    OTHER = "other"


_MAGIC = (
    (b"PK\x03\x04", Kind.ARCHIVE),
    (b"PK\x05\x06", Kind.ARCHIVE),
    (b"\x93NUMPY", Kind.NPY),
    (b"\x7fELF", Kind.PROGRAM),
    (b"MZ", Kind.PROGRAM),
    (b"\xcf\xfa\xed\xfe", Kind.PROGRAM),
    (b"\xce\xfa\xed\xfe", Kind.PROGRAM),
    (b"\xca\xfe\xba\xbe", Kind.PROGRAM),
    (b"\x00asm", Kind.PROGRAM),
    (b"#!", Kind.CODE),
    (b"\x1f\x8b", Kind.GZIP),
    (b"BZh", Kind.PACKED),
    (b"\xfd7zXZ", Kind.PACKED),
    (b"7z\xbc\xaf", Kind.PACKED),
    (b"Rar!", Kind.PACKED),
    (b"\x28\xb5\x2f\xfd", Kind.PACKED),
    (b"\x89HDF\r\n", Kind.HDF),
)
_SUFFIXES = {
    Kind.CONFIG: ".json .yaml .yml",
    Kind.CODE: ".py .pyw .pyi .pyx .ipynb .sh .bash .zsh .bat .cmd .ps1 .js .mjs .vbs .rb .pl .lua .jar .c .cc .cpp .cu"
    " .h .m .r .jl .pth .egg-link .toml .desktop .reg .mk .cmake",
    Kind.PROGRAM: ".pyc .pyo .pyd .so .dll .dylib .exe .msi .scr .a .o .lib .wasm .class .ko .engine .plan",
    Kind.PICKLE: ".pkl .pickle .pk .pt .pth .ckpt .bin .tar .joblib .dill .cloudpickle .p .th .mar",
    Kind.ARCHIVE: ".zip .npz .ts .pt2 .whl .egg .pyz .jit .torchscript",
    Kind.NPY: ".npy",
    Kind.SAFETENSORS: ".safetensors",
    Kind.ONNX: ".onnx",
    Kind.GZIP: ".gz .tgz",
    Kind.PACKED: ".bz2 .xz .7z .rar .zst .lz4 .lzma .tar",
    Kind.HDF: ".h5 .hdf5 .keras .mat",
    Kind.TEXT: ".md .txt .rst .csv .tsv .conf .ini .cfg .log .html .xml .svg .cff",
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in reversed(_SUFFIXES.items()) for suffix in suffixes.split()}
_NAMES = {
    "makefile": Kind.CODE,
    "dockerfile": Kind.CODE,
    "license": Kind.TEXT,
    "notice": Kind.TEXT,
    "readme": Kind.TEXT,
}
_HOLDS = {
    Kind.ARCHIVE: {Kind.PICKLE, Kind.ARCHIVE},
    Kind.NPY: {Kind.NPY},
    Kind.PICKLE: {Kind.PICKLE},
    Kind.GZIP: {Kind.GZIP},
    Kind.HDF: {Kind.HDF},
    Kind.CODE: {Kind.CODE, Kind.TEXT},
    Kind.PROGRAM: {Kind.PROGRAM},
    Kind.PACKED: {Kind.PACKED},
}


def named(path: str) -> Kind:
    """Return what a file is by its name."""
    name = posixpath.basename(path).lower()
    return _NAMES.get(posixpath.splitext(name)[0]) or _BY_SUFFIX.get(posixpath.splitext(name)[1], Kind.OTHER)


def found(head: bytes, *, whole: bool) -> Kind | None:
    """Return what a file is by its first bytes; None if they are none of the kinds that run or unpack."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return Kind.PACKED
    return Kind.PICKLE if looks_like_pickle(head, whole=whole) else None


def is_disguise(name: Kind, content: Kind) -> bool:
    """Return whether a file named as one kind holds another one that runs or unpacks."""
    # Files of unknown names are whatever they hold.
    return name is not Kind.OTHER and name not in _HOLDS[content] and content is not Kind.CODE
