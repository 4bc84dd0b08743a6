"""Files packed with gzip: images, which every reader unpacks as they are read."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from medsynth.bundle.audit.file_types.file_kinds import found, is_image
from medsynth.bundle.audit.rules.findings import Page
from medsynth.bundle.audit.rules.sizes import LIMITS, MEBIBYTE

_HEAD = 1 << 14


def audit_gzip(path: str, stream: BinaryIO, page: Page) -> None:
    """Unpack the beginning: what grows beyond all measure there is refused, and so is what unpacks to no image."""
    if path.lower().endswith((".tar.gz", ".tgz")):
        page.trust("archive", path, "is packed and was not looked into")
        return
    first = _unpacked(stream, page)
    if first is None:
        return
    if (kind := found(first, whole=len(first) < _HEAD)) is not None:
        page.refuse("disguise", page.file, f"unpacks to a {kind.value}")
    elif not path.lower().endswith(".nii.gz"):
        page.trust("archive", path, "is packed and was not looked into")
    elif not is_image(first, ".nii"):
        page.refuse("disguise", page.file, "is named as a NIfTI image and unpacks to something else")
    else:
        page.allow("archive", "a packed image")


def _unpacked(stream: BinaryIO, page: Page) -> bytes | None:
    """Return the first bytes of what is packed; None after a refusal."""
    decoder = zlib.decompressobj(wbits=31)
    unpacked = taken = 0
    first = b""
    while unpacked < 64 * MEBIBYTE and not decoder.eof and (data := stream.read(1 << 16)):
        taken += len(data)
        piece = decoder.decompress(data, 16 * MEBIBYTE)
        while piece:
            first = first if len(first) >= _HEAD else first + piece[:_HEAD]
            unpacked += len(piece)
            if unpacked > max(MEBIBYTE, taken * LIMITS.ratio):
                page.refuse("size", f"{unpacked} bytes in {taken}", "unpacks to too much")
                return None
            piece = decoder.decompress(decoder.unconsumed_tail, 16 * MEBIBYTE)
    return first
