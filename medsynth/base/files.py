"""Files that are either complete or absent: write beside, flush to disk, rename. What to do where that fails."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO

from medsynth.base.errors import InputError, MedsynthError, RunError

_instead: dict[Path, Path] = {}
_STREAMS = ("/dev/std", "/dev/fd/", "/proc/self/fd/")


def write_instead(places: Mapping[Path, Path]) -> None:
    """From now on write each of these files, given by its absolute path, in another place.

    Whoever confined this process moves it from there, see `medsynth.confinement.running`.
    """
    _instead.update(places)


def landing(path: Path) -> Path | None:
    """Return the file that `path` leads to by links; None for a pipe or a device, which is written as it is."""
    if path.as_posix().startswith(_STREAMS):  # which may be files that are open already
        return None
    if path.exists() and not path.is_file() and not path.is_dir():
        return None
    return path.resolve() if path.is_symlink() else path


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream whose content becomes `path` if the block succeeds and vanishes if it fails.

    A link stays, and what it leads to is replaced; a pipe gets the content when it is complete.

    Raises:
        RunError: naming the file and the cause; the previous content stays.
    """
    place = _instead.get(path.absolute()) or landing(path)
    if place is None:
        with TemporaryFile() as stream:
            yield stream
            pass_on(stream, path)
        return
    # Processes of one training may write the same file, so each has a name of its own.
    temporary = place.with_name(f".{place.name}.{os.environ.get('RANK', '0')}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(place)
    except OSError as error:
        _remove(temporary)
        raise not_written(path, error) from error
    except BaseException:
        _remove(temporary)
        raise


def pass_on(stream: IO[bytes], path: Path) -> None:
    """Write all of a stream into a pipe or a device, as soon as somebody reads it.

    Raises:
        RunError: naming the pipe and the cause.
    """
    stream.seek(0)
    try:
        with path.open("wb") as pipe:
            shutil.copyfileobj(stream, pipe)
    except OSError as error:
        raise not_written(path, error) from error


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically; on a full disk the previous content stays.

    Raises:
        RunError: naming the file and the cause.
    """
    with new_file(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file atomically; one that holds just that is left alone, as others may be reading it."""
    if not path.is_file() or path.read_bytes() != content.encode():
        write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically, as `json_text` gives it."""
    write_text(path, json_text(content))


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as CSV, one line each."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def json_text(content: Any) -> str:
    """Return indented JSON; NaN and infinity are refused because JSON has no such numbers."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path`, or what it links to, if the block succeeds; else it vanishes."""
    path = path.resolve() if path.is_symlink() else path
    temporary = path.with_name(f".{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise not_written(path, error) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# ------------------------------------------------------------ errors of the operating system

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What stops writing though the path is right."""
_RESUME = "What was saved before is intact; continue a run with --resume."
_UNUSABLE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
)
"""What is wrong with a path from the start, and not with a disk on the way."""


def not_written(path: Path, error: OSError, why: str = "") -> RunError:
    """Return what to raise where `path` could not be written."""
    return RunError(f"{path} could not be written: {why}{error.strerror or error}", hint=_hint(error, path))


def explained(error: OSError) -> MedsynthError:
    """Return what to tell about an error of the operating system that nobody foresaw; it names the file, if known."""
    named = error.filename if isinstance(error.filename, str) else os.fsdecode(error.filename or b"")
    message = f"{named}: {error.strerror or error}" if named else str(error.strerror or error)
    kind = InputError if error.errno in _UNUSABLE else RunError
    return kind(message, hint=_hint(error, Path(named)))


def _hint(error: OSError, path: Path) -> str:
    import tempfile

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        if path.is_relative_to(temporary := tempfile.gettempdir()):
            return (
                f"Make room in {temporary}, or choose another folder: TMPDIR for temporary files, or --out. {_RESUME}"
            )
        return f"Make room or choose another --out. {_RESUME}"
    if error.errno == errno.EFBIG:
        return f"A limit on the size of files is in force: see ulimit -f, or choose another --out. {_RESUME}"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"Too many files are open: see ulimit -n. {_RESUME}"
    if "temporary directory" in str(error):  # as Python calls it where it finds none that it can write to
        return "Make room in one of these folders, or set TMPDIR to another one."
    if error.errno in _UNUSABLE:
        return "Choose a place that exists and that you may write to."
    return _RESUME
