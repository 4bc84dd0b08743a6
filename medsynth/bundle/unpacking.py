"""A bundle's folder, also where the bundle is a zip file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medsynth.bundle.audit.sources import UNREADABLE
from medsynth.bundle.reading import Files, files_of
from medsynth.errors import InputError, MedsynthError
from medsynth.files import NO_ROOM, not_written


@contextmanager
def unpacked(bundle: Path) -> Iterator[Path]:
    """Yield a folder with the bundle's files: itself, or of a zip file a temporary one that is removed at the end.

    Nothing is executed, and nothing is written elsewhere. Errors name the zip file instead of the folder.

    Raises:
        InputError: it is neither, or the zip file holds what cannot be unpacked safely.
        RunError: there is no room for temporary files.
    """
    if not bundle.is_file():
        yield bundle
        return
    with tempfile.TemporaryDirectory(prefix="medsynth-") as folder:
        with files_of(bundle) as files:
            _unpack(bundle, files, Path(folder))
        try:
            yield Path(folder)
        except MedsynthError as error:
            message, hint = (text.replace(folder, str(bundle)) for text in (error.message, error.hint))
            raise type(error)(message, hint=hint) from error


def _unpack(bundle: Path, files: Files, folder: Path) -> None:
    hint = f"Look at it with: medsynth bundle audit {bundle}"
    if files.unsafe:
        first = files.unsafe[0]
        raise InputError(f"{bundle} cannot be unpacked: {first.file} {first.reason}", hint=hint)
    for name, member in files.members.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with member.open() as packed, place.open("wb") as stream:
                shutil.copyfileobj(packed, stream)
        except UNREADABLE as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise not_written(place, error) from error
            raise InputError(f"{bundle} cannot be unpacked: {name}: {error}", hint=hint) from error
