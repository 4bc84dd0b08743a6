"""Zip files of bundles: equal folders give equal bytes, and a seal at the end covers every one of them.

The hashes that a manifest lists do not depend on dates, flags and padding of a zip file. The seal does: it is the zip
file's comment and holds the sha256 of all bytes before it.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

from medsynth.base.files import new_file

_DATE = (1980, 1, 1, 0, 0, 0)
_MARK = b"medsynth sha256 "
_LENGTH = len(_MARK) + 64


def write_zip(folder: Path, path: Path) -> None:
    """Pack `folder` into the sealed zip file `path`, which unpacks into one folder of its name.

    Raises:
        RunError: it cannot be written.
    """
    with new_file(path) as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.comment = bytes(_LENGTH)
            for file in sorted(item for item in folder.rglob("*") if item.is_file()):
                entry = zipfile.ZipInfo(file.relative_to(folder.parent).as_posix(), _DATE)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.read_bytes())
        stream.flush()
        seal = _seal(Path(stream.name))
        stream.seek(-_LENGTH, 2)
        stream.write(seal)


def is_as_written(path: Path) -> bool:
    """Tell whether a zip file fits its seal, of which no single changed byte hides that it is there.

    True for zip files without a seal, which other programs packed.
    """
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _LENGTH))
        last = stream.read()
    is_sealed = last.startswith(_MARK) or re.fullmatch(rb"[0-9a-f]{64}", last[len(_MARK) :]) is not None
    return not is_sealed or last == _seal(path)


def _seal(path: Path) -> bytes:
    """Return what the last bytes of a sealed zip file must be."""
    found, left = hashlib.sha256(), path.stat().st_size - _LENGTH
    with path.open("rb") as stream:
        while part := stream.read(min(left, 1 << 20)):
            found.update(part)
            left -= len(part)
    return _MARK + found.hexdigest().encode()
