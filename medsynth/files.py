"""Files that are either complete or absent: write beside, flush to disk, rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from medsynth.errors import RunError

_instead: dict[Path, Path] = {}


def write_instead(places: Mapping[Path, Path]) -> None:
    """From now on write each of these files, given by its absolute path, in another place.

    Whoever confined this process moves it from there, see `medsynth.confinement`.
    """
    _instead.update(places)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream whose content becomes `path` if the block succeeds and vanishes if it fails.

    Raises:
        RunError: naming the file and the cause; the previous content stays.
    """
    place = _instead.get(path.absolute(), path)
    place.parent.mkdir(parents=True, exist_ok=True)
    # Processes of one training may write the same file, so each has a name of its own.
    temporary = place.with_name(f".{path.name}.{os.environ.get('RANK', '0')}.part")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(place)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(
            f"{path} could not be written: {error.strerror}",
            hint="Make room or choose another --out; what was saved before is intact, continue with --resume.",
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically; on a full disk the previous content stays.

    Raises:
        RunError: naming the file and the cause.
    """
    with new_file(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically, as `json_text` gives it."""
    write_text(path, json_text(content))


def json_text(content: Any) -> str:
    """Return indented JSON; NaN and infinity are refused because JSON has no such numbers."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` if the block succeeds and vanishes if it fails."""
    temporary = path.with_name(f".{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunError(f"{path} could not be written: {error}", hint="Make room and continue with --resume.") from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
