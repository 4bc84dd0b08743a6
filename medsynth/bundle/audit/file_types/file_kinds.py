"""What a file is, by its first bytes and its name: the bytes decide, because readers go by them."""

from __future__ import annotations

import posixpath
import zlib
from enum import Enum

from medsynth.bundle.audit.file_types.pickles import looks_like_pickle
from medsynth.bundle.audit.rules.wordlists import read_lists


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
    MARKUP = "markup"
    MODEL = "OpenVINO model"
    IMAGE = "image"
    LAUNCHER = "launcher"
    TOOL = "settings of a program"
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


def _listed(what: str) -> dict[str, Kind]:
    """Return kinds by what a file's name is or ends in; of what stands in two lists the first one counts."""
    sections = [(title.partition(f"{what} of ")[2], names) for title, names in read_lists("file_names.txt").items()]
    return {name: Kind(kind) for kind, names in reversed(sections) if kind for name in names}


_BY_SUFFIX, _BY_NAME = _listed("suffixes"), _listed("names")
_IMAGES = {
    ".png": ((0, b"\x89PNG\r\n\x1a\n"),),
    ".jpg": ((0, b"\xff\xd8\xff"),),
    ".tif": ((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
    ".bmp": ((0, b"BM"),),
    ".gif": ((0, b"GIF8"),),
    ".dcm": ((128, b"DICM"),),
    ".nii": ((344, b"n+1\0"), (4, b"n+2\0")),
}
_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}
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
    *folders, name = path.lower().split("/")
    if any(_BY_NAME.get(folder) is Kind.TOOL for folder in folders):
        return Kind.TOOL
    return _BY_NAME.get(name) or _BY_SUFFIX.get(posixpath.splitext(name)[1], Kind.OTHER)


def found(head: bytes, *, whole: bool) -> Kind | None:
    """Return what a file is by its first bytes; None if they are none of the kinds that run or unpack."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar" or _is_zlib(head):
        return Kind.PACKED
    return Kind.PICKLE if looks_like_pickle(head, whole=whole) else None


def is_disguise(name: Kind, content: Kind) -> bool:
    """Return whether a file named as one kind holds another one that runs or unpacks."""
    # Files of unknown names are whatever they hold.
    return name is not Kind.OTHER and name not in _HOLDS[content] and content is not Kind.CODE


def is_image(head: bytes, suffix: str) -> bool:
    """Return whether a file begins as images of a suffix do: readers choose by what they find, not by the name."""
    known = _IMAGES[_SAME.get(suffix, suffix)]
    return any(head[position : position + len(magic)] == magic for position, magic in known)


def _is_zlib(head: bytes) -> bool:
    if len(head) < 8 or head[0] != 0x78 or int.from_bytes(head[:2], "big") % 31:
        return False
    try:
        return bool(zlib.decompressobj().decompress(head, 1 << 12))
    except zlib.error:
        return False
