"""One file from a host to the disk: bounded, shown, and begun where it broke off."""

from __future__ import annotations

import math
import shutil
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from medsynth.base.errors import InputError, RunError
from medsynth.base.progress import Silent, Task, Watch
from medsynth.bundle.fetching.addresses import told
from medsynth.bundle.fetching.server import Answer, BrokenConnection, Server

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0)
"""Seconds before a broken transfer is tried again; then it is given up."""
_PART = 1 << 18
_MEGABYTE = 1e6


def transfer(server: Server, url: str, path: Path, *, limit: int, watch: Watch) -> int:
    """Fetch one file; return the number of its bytes.

    A transfer that breaks is continued where the host offers it, else begun again.

    Args:
        server: the host.
        url: of the file.
        path: where it is written.
        limit: bytes that it may have.
        watch: shows how much has come, in megabytes.

    Raises:
        InputError: as `Server.answer`, or the file is larger than `limit`.
        RunError: the connection broke again and again, or there is no room.
        OSError: the file cannot be written.
    """
    tag, have, why = "", 0, ""
    with path.open("wb") as stream:
        for wait in (*WAITS, 0.0):
            try:
                with server.answer(url, have, tag) as answer:
                    if answer.start != have:
                        _rewind(stream)
                    tag = answer.tag
                    _refuse_large(url, answer.total or 0, limit)
                    _refuse_without_room(path, (answer.total or 0) - stream.tell())
                    with _shown(watch, path.name, stream.tell(), answer.total) as task:
                        _receive(answer, stream, url, limit, task)
                return stream.tell()
            except BrokenConnection as error:
                have, why = stream.tell(), str(error)
                if not tag:  # nothing would tell whether the rest belongs to this beginning
                    have = _rewind(stream)
            time.sleep(wait)
    raise RunError(
        f"the connection to {told(url)} broke {len(WAITS) + 1} times: {why}", hint="Nothing was kept. Try again later."
    )


def _receive(answer: Answer, stream: BinaryIO, url: str, limit: int, task: Task) -> None:
    while part := answer.read(_PART):
        _refuse_large(url, stream.tell() + len(part), limit)
        stream.write(part)
        task.advance(math.ceil(stream.tell() / _MEGABYTE))
    if answer.total is not None and stream.tell() != answer.total:
        raise BrokenConnection(f"it ended after {stream.tell()} of {answer.total} bytes")


def _rewind(stream: BinaryIO) -> int:
    stream.seek(0)
    stream.truncate()
    return 0


def _refuse_large(url: str, size: int, limit: int) -> None:
    if size > limit:
        raise InputError(
            f"{told(url)} has more than the {limit} bytes that it may have",
            hint="Fetch it with another program, and look at it with: medsynth bundle audit PATH",
        )


def _refuse_without_room(path: Path, needed: int) -> None:
    """Refuse before what would fail after an hour."""
    if needed > (free := shutil.disk_usage(path.parent).free):
        raise RunError(
            f"there is no room for {path.name}: {needed / _MEGABYTE:.0f} MB to come, {free / _MEGABYTE:.0f} MB free",
            hint="Make room or choose another --out. Nothing was kept.",
        )


def _shown(watch: Watch, name: str, done: int, total: int | None) -> AbstractContextManager[Task]:
    """Show what takes long enough to be watched."""
    if total is None or total < _MEGABYTE:
        return nullcontext(Silent())
    return watch.task(f"{name}, MB", math.ceil(total / _MEGABYTE), int(done / _MEGABYTE))
