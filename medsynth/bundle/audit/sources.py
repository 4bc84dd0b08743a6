"""The files of a bundle, from a folder or a zip file, without unpacking."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from medsynth.bundle.audit.ledger import Ledger, Page
from medsynth.bundle.audit.limits import LIMITS, MEBIBYTE
from medsynth.bundle.audit.names import collision_key, unsafe_path
from medsynth.errors import InputError

UNREADABLE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    struct.error,
)
"""What reading a damaged file or archive raises."""


@dataclass(frozen=True)
class Member:
    """One file: its path below the bundle, its size in bytes, and how to open it for seeking and reading."""

    path: str
    size: int
    open: Callable[[], BinaryIO]


@contextmanager
def members(bundle: Path, ledger: Ledger) -> Iterator[Iterator[Member]]:
    """Yield the files that can be looked at; whatever is wrong with the others goes to the ledger.

    Raises:
        InputError: `bundle` is neither a folder nor a readable zip file.
    """
    if bundle.is_dir():
        yield _bounded(_folder(bundle, ledger), ledger)
        return
    try:
        archive = zipfile.ZipFile(bundle)
    except UNREADABLE as error:
        raise InputError(
            f"{bundle} is neither a folder nor a readable zip file: {error}", hint="Give the bundle's folder or zip."
        ) from None
    with archive:
        if not _single_folder(archive.infolist()):
            ledger.at(bundle.name).trust("archive", bundle.name, "unpacks into several places instead of one folder")
        yield _bounded(archive_members(archive, ledger.at), ledger)


def _single_folder(infos: list[zipfile.ZipInfo]) -> bool:
    return len({info.filename.partition("/")[0] for info in infos}) <= 1


def _bounded(found: Iterator[Member], ledger: Ledger) -> Iterator[Member]:
    total = 0
    seen: dict[str, str] = {}
    for number, member in enumerate(found):
        total += member.size
        page = ledger.at(member.path)
        if number >= LIMITS.files or total > LIMITS.total:
            page.refuse("size", f"{number + 1} files, {total} bytes", "more than the audit looks at")
            return
        key = collision_key(member.path)
        if key in seen:
            page.refuse("name", member.path, f"is the same file as {seen[key]} on some systems")
        seen[key] = member.path
        if member.size > LIMITS.file:
            page.refuse("size", f"{member.size} bytes", f"a file may have {LIMITS.file}")
        else:
            yield member


def _folder(root: Path, ledger: Ledger) -> Iterator[Member]:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            ledger.at(folder.relative_to(root).as_posix()).refuse(
                "file", folder.name, f"cannot be read: {error.strerror}"
            )
            continue
        for entry in reversed(entries):
            path = Path(entry.path)
            name = path.relative_to(root).as_posix()
            if reason := unsafe_path(name):
                ledger.at(name).refuse("name", name, reason)
            if entry.is_symlink():
                target = str(path.readlink())
                ledger.at(name).refuse("link", target, "a bundle holds files, not links")
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif entry.is_file(follow_symlinks=False):
                yield Member(name, entry.stat(follow_symlinks=False).st_size, _opens(path))
            else:
                ledger.at(name).refuse("file", name, "is a pipe, socket or device")


def _opens(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def archive_members(archive: zipfile.ZipFile, page: Callable[[str], Page]) -> Iterator[Member]:
    """Yield the files of a zip archive that can be read safely, while it is open.

    Args:
        archive: open for reading.
        page: gives the page of a member.
    """
    names: set[str] = set()
    for info in archive.infolist():
        here = page(info.filename)
        reason = unsafe_path(info.orig_filename)
        if reason:
            here.refuse("name", info.orig_filename, reason)
        if info.filename in names:
            here.refuse("name", info.filename, "appears twice in the archive; readers differ in which one they take")
        names.add(info.filename)
        if not info.filename.endswith("/") and _readable(info, here):
            yield Member(info.filename, info.file_size, _opener(archive, info))


def _readable(info: zipfile.ZipInfo, page: Page) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if stat.S_ISLNK(kind):
        page.refuse("link", info.filename, "a bundle holds files, not links")
    elif kind and not stat.S_ISREG(kind):
        page.refuse("file", info.filename, "is a pipe, socket or device")
    elif info.flag_bits & 0x1:
        page.refuse("archive", info.filename, "is encrypted, so it cannot be looked into")
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        page.refuse("archive", info.filename, "uses an unusual compression")
    elif info.file_size > max(MEBIBYTE, info.compress_size * LIMITS.ratio):
        page.refuse("size", f"{info.file_size} bytes in {info.compress_size}", "unpacks to too much")
    else:
        return True
    return False


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    """Return what reads a member into memory: its declared size is a limit, whatever it really unpacks to."""

    def opened() -> BinaryIO:
        if info.file_size > LIMITS.unpacked:
            raise ValueError(f"{info.file_size} bytes inside an archive; unpack it and audit the folder")
        with archive.open(info) as member:
            return io.BytesIO(member.read(info.file_size + 1))

    return opened
