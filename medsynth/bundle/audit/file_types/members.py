"""The files of a bundle, from a folder or a zip file, without unpacking."""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from medsynth.base.errors import InputError
from medsynth.bundle.audit.file_types.archives import (
    DEFLATED,
    STORED,
    ArchiveError,
    Entry,
    NoArchiveError,
    read_directory,
    read_entry,
)
from medsynth.bundle.audit.rules.findings import Ledger, Page
from medsynth.bundle.audit.rules.names import collision_key, unsafe_path
from medsynth.bundle.audit.rules.sizes import LIMITS, MEBIBYTE

UNREADABLE = (
    OSError,
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
        stream = bundle.open("rb")
    except OSError as error:
        raise _unusable(bundle, error.strerror) from None
    with stream:
        try:
            entries = read_directory(stream)
        except NoArchiveError as error:
            raise _unusable(bundle, str(error)) from None
        except ArchiveError as error:
            ledger.at(bundle.name).refuse("archive", bundle.name, f"{error}; readers could differ about what it holds")
            entries = ()
        if len({entry.name.partition("/")[0] for entry in entries}) > 1:
            ledger.at(bundle.name).trust("archive", bundle.name, "unpacks into several places instead of one folder")
        yield _bounded(archive_members(stream, entries, ledger.at), ledger)


def _unusable(bundle: Path, reason: str | None) -> InputError:
    return InputError(
        f"{bundle} is neither a folder nor a readable zip file: {reason}", hint="Give the bundle's folder or zip."
    )


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


def archive_members(stream: BinaryIO, entries: Sequence[Entry], page: Callable[[str], Page]) -> Iterator[Member]:
    """Yield the files of a zip archive that can be read safely, while it is open.

    Args:
        stream: the archive, open for reading.
        entries: its members.
        page: gives the page of a member.
    """
    names: set[str] = set()
    for entry in entries:
        here = page(entry.name)
        if reason := unsafe_path(entry.name):
            here.refuse("name", entry.name, reason)
        if entry.name in names:
            here.refuse("name", entry.name, "appears twice in the archive; readers differ in which one they take")
        names.add(entry.name)
        if entry.name.endswith("/"):
            if entry.size or entry.packed:
                here.refuse("archive", entry.name, "is named as a folder and holds bytes")
        elif _readable(entry, here):
            yield Member(entry.name, entry.size, _opener(stream, entry))


def _readable(entry: Entry, page: Page) -> bool:
    kind = stat.S_IFMT(entry.mode)
    if stat.S_ISLNK(kind):
        page.refuse("link", entry.name, "a bundle holds files, not links")
    elif kind and not stat.S_ISREG(kind):
        page.refuse("file", entry.name, "is a pipe, socket or device")
    elif entry.encrypted:
        page.refuse("archive", entry.name, "is encrypted, so it cannot be looked into")
    elif entry.method not in (STORED, DEFLATED):
        page.refuse("archive", entry.name, "uses an unusual compression")
    elif entry.size > max(MEBIBYTE, entry.packed * LIMITS.ratio):
        page.refuse("size", f"{entry.size} bytes in {entry.packed}", "unpacks to too much")
    else:
        return True
    return False


def _opener(stream: BinaryIO, entry: Entry) -> Callable[[], BinaryIO]:
    """Return what reads a member into memory: its declared size is a limit, whatever it really unpacks to."""

    def opened() -> BinaryIO:
        if entry.size > LIMITS.unpacked:
            raise ValueError(f"{entry.size} bytes inside an archive; unpack it and audit the folder")
        return io.BytesIO(read_entry(stream, entry))

    return opened
