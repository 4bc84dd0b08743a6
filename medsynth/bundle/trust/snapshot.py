"""A bundle's files as they were at one moment, out of reach of whoever can change the bundle.

What is judged and what is loaded must be the same bytes. The folder of a bundle may belong to somebody else, or lie on
a share: a file read twice can be two files. So all of a bundle is copied once, into a folder that only this user can
change, and manifest, audit and loaders read nothing but the copy.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from medsynth.base.errors import InputError, MedsynthError
from medsynth.base.files import NO_ROOM, not_written
from medsynth.bundle.audit.file_types.members import UNREADABLE
from medsynth.bundle.checking.bundle_files import files_of
from medsynth.bundle.format.manifest import MANIFEST, digest_of
from medsynth.bundle.trust.admission import admit
from medsynth.bundle.trust.memory import RUN, Trusted, find_trust

_PART = 1 << 20


class Snapshot:
    """A bundle as it was when `folder` was asked for first.

    Args:
        place: folder or zip file of the bundle, which errors name.
    """

    def __init__(self, place: Path) -> None:
        self.place = place

    @cached_property
    def folder(self) -> Path:
        """Folder with a copy of all files, removed with this object; of a zip file what it unpacks to.

        Raises:
            InputError: there is no bundle, or it holds what cannot be copied safely: links, names that lead elsewhere.
            RunError: there is no room for temporary files.
        """
        folder = Path(tempfile.mkdtemp(prefix="medsynth-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        unpack(self.place, folder)
        return folder

    @cached_property
    def _admitted(self) -> bool:
        with self.errors():
            admit(self.folder)
        return True

    def admit(self) -> None:
        """Return if the bundle may be executed; it is judged once.

        Raises:
            InputError: it is not trusted, and the audit does not allow it without trust.
        """
        _ = self._admitted

    @property
    def trusted(self) -> Trusted | None:
        """What is remembered about the bundle; None if it is not trusted."""
        return find_trust(digest_of(self.folder)) if (self.folder / MANIFEST).is_file() else None

    @property
    def is_foreign(self) -> bool:
        """Whether the bundle was not made by a run of this user, or was changed since."""
        return self.trusted is None or self.trusted.origin != RUN

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Let errors that are raised in the block name the bundle instead of its copy."""
        try:
            yield
        except MedsynthError as error:
            folder = str(self.folder)
            message, hint = (text.replace(folder, str(self.place)) for text in (error.message, error.hint))
            raise type(error)(message, hint=hint) from error


def unpack(place: Path, folder: Path) -> None:
    """Copy all files of a bundle, given as a folder or zip file, into `folder`.

    Raises:
        InputError: there is no bundle, or it holds what cannot be copied safely: links, names that lead elsewhere.
        RunError: there is no room.
    """
    hint = f"Look at it with: medsynth bundle audit {place}"
    action = "unpacked" if place.is_file() else "copied"
    with files_of(place) as files:
        if files.unsafe:
            first = files.unsafe[0]
            raise InputError(f"{place} cannot be {action}: {first.file} {first.reason}", hint=hint)
        for name, member in files.members.items():
            try:
                with member.open() as source:
                    _write(source, folder / name)
            except UNREADABLE as error:
                if isinstance(error, OSError) and error.errno in NO_ROOM:
                    raise not_written(folder / name, error) from error
                raise InputError(f"{place} cannot be {action}: {name}: {error}", hint=hint) from error


def _write(source: BinaryIO, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        shutil.copyfileobj(source, stream, _PART)
