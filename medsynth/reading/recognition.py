"""What a file is, by its first bytes, and by its name where they say nothing."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

from medsynth.reading.records import Kind

RASTER = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
NIFTI = (".nii", ".nii.gz")
DICOM = (".dcm", ".dicom", ".ima")
ITK = (".nrrd", ".nhdr", ".mha", ".mhd", ".hdr")
SUFFIXES = (*NIFTI[::-1], *RASTER, *DICOM, *ITK)
"""Suffixes of images; a longer one comes before its end."""

_START = 352
_NIFTI_MAGIC = (b"n+1\0", b"ni1\0")
_ANALYZE_SIZE = 348
_HEADERS_OF_DATA = {
    ".img": (".hdr",),
    ".img.gz": (".hdr", ".hdr.gz"),
    ".raw": (".mhd", ".nhdr"),
    ".zraw": (".mhd",),
    ".raw.gz": (".nhdr",),
}
_OTHER = {b"GIF8": "GIF", b"%PDF": "PDF", b"PK\x03\x04": "ZIP"}


@dataclass(frozen=True)
class Recognized:
    """What a file is.

    Args:
        kind: who decodes it; None if nobody does.
        reason: why nobody does, short and equal for all files of its kind.
    """

    kind: Kind | None
    reason: str = ""


def recognize(path: Path) -> Recognized:
    """Tell who decodes a file, reading its first bytes only.

    A file whose name promises an image is taken at its word, so that a damaged one is reported and not passed over.
    """
    name = path.name.lower()
    if name == "dicomdir":
        return Recognized(None, "DICOMDIR")
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError:
        start = b""
    kind = _by_content(start, name, path) or _by_name(name)
    if kind is None and (header := _header_of(path, name)):
        return Recognized(None, f"pixels of {header} files")
    return Recognized(kind) if kind else Recognized(None, _reason(start, path))


def stem(name: str) -> str:
    """Return a file's name without the suffix of an image.

    Example:
        >>> stem("scans/a.b.nii.gz")
        'scans/a.b'
    """
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name.rpartition("/")[2]) > len(suffix):
            return name[: -len(suffix)]
    return name


def _by_content(start: bytes, name: str, path: Path) -> Kind | None:
    if start[128:132] == b"DICM":
        return "dicom"
    if _is_raster(start):
        return "raster"
    if start.startswith(b"NRRD000"):
        return "itk"
    if start.startswith(b"\x1f\x8b") and name.endswith(".gz"):
        start = _unpacked(path)
    if start[344:348] in _NIFTI_MAGIC or start[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti" if not name.endswith((".img", ".img.gz")) else None
    size = start[:4]
    if name.endswith(".hdr") and _ANALYZE_SIZE in (int.from_bytes(size, "little"), int.from_bytes(size, "big")):
        return "itk"
    return "dicom" if _starts_like_dicom(start) else None


def _is_raster(start: bytes) -> bool:
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    tiff = start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and start[128:132] != b"DICM"
    bmp = start[:2] == b"BM" and start[6:10] == b"\0\0\0\0"
    return webp or tiff or bmp or start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def _starts_like_dicom(start: bytes) -> bool:
    """Tell data sets without a preamble: they start with group 2 or 8, a small element, and a VR or a length."""
    if len(start) < 16:
        return False
    for order in ("little", "big"):
        group, element = int.from_bytes(start[:2], order), int.from_bytes(start[2:4], order)
        if group in (2, 8) and element <= 0x0100:
            explicit = start[4:6].isalpha() and start[4:6].isupper()
            length = int.from_bytes(start[4:8], order)
            if explicit or length < 256:
                return True
    return False


def _by_name(name: str) -> Kind | None:
    kinds: dict[tuple[str, ...], Kind] = {RASTER: "raster", NIFTI: "nifti", DICOM: "dicom"}
    for suffixes, kind in kinds.items():
        if name.endswith(suffixes):
            return kind
    return "itk" if name.endswith((".nrrd", ".nhdr", ".mha", ".mhd")) else None


def _header_of(path: Path, name: str) -> str:
    """Return the suffix of the header beside a file that holds nothing but its pixels."""
    for suffix, headers in _HEADERS_OF_DATA.items():
        if name.endswith(suffix):
            for header in headers:
                if (path.parent / (path.name[: -len(suffix)] + header)).is_file():
                    return header
    return ""


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(_START)
    except (OSError, EOFError):
        return b""


def _reason(start: bytes, path: Path) -> str:
    for magic, name in _OTHER.items():
        if start.startswith(magic):
            return f"{name} files"
    return f"{path.suffix.lower()} files" if path.suffix else "files without a suffix"
