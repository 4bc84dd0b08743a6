"""What the runs of a study share: a stage of equal plan and inputs is done once and hard-linked into each run.

Finished stages of other studies can be taken in the same way.

There is no second copy: an index names, by the stage's key, the run that finished it, or else the one that worked on
it last. Whoever needs the stage holds its lock, takes that run's files and continues from there, so that nothing is
lost of a stage within which a run was killed, whichever run comes next.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from medsynth.base.files import new_folder, write_text
from medsynth.base.seals import is_intact, read_sealed, sealed
from medsynth.base.stopping import Stop

INDEX = "shared"
PATIENCE = 0.2
"""Seconds between two looks at a lock that another process holds."""


class Sharing:
    """The index of a study.

    Args:
        root: of the study; all runs lie in it, and the index in its folder ``shared``.
        others: roots of further studies, whose finished stages are taken, too.
    """

    def __init__(self, root: Path, others: Sequence[Path] = ()) -> None:
        self.root, self.others = root.resolve(), others

    @contextmanager
    def part(self, key: str, own: Path, stop: Stop) -> Iterator[str]:
        """Take the files that `key` names into `own`, then hold the key's lock while the block completes them.

        What is finished is taken only if it is intact, so that damage does not spread from one run to others.

        Yields:
            Folder they came from, relative to the root, behind the name of another study; empty if there was none.

        Raises:
            InputError: the index is damaged.
        """
        path, name = _entry(self.root, key), own.resolve().relative_to(self.root).as_posix()
        path.parent.mkdir(parents=True, exist_ok=True)
        with _waiting_lock(path.with_suffix(".lock"), stop):
            entry = _read(path)
            if not entry["finished"] and (done := self._done_elsewhere(key)):
                study, origin = done
                link_folder(study / origin, own)
                _write(path, name, finished=True)
                yield f"{study.name}/{origin}"
                return
            others = entry["folder"] not in ("", name) and (self.root / entry["folder"]).is_dir()
            usable = others and (not entry["finished"] or is_intact(self.root / entry["folder"]))
            origin = entry["folder"] if usable else ""
            if origin:
                link_folder(self.root / origin, own)
            if origin and entry["finished"]:
                yield origin
                return
            _write(path, name, finished=False)
            yield origin
            _write(path, name, finished=True)

    def _done_elsewhere(self, key: str) -> tuple[Path, str] | None:
        """Return another study that finished the part, and the folder in it that holds the files."""
        for study in self.others:
            entry = _read(_entry(study, key))
            if entry["finished"] and is_intact(study / entry["folder"]):
                return study, entry["folder"]
        return None


def _entry(study: Path, key: str) -> Path:
    return study / INDEX / f"{key}.json"


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"folder": "", "finished": False}
    return read_sealed(path, hint="Remove it and continue with --resume: the stage that it names is then done again.")


def _write(path: Path, folder: str, *, finished: bool) -> None:
    write_text(path, sealed({"folder": folder, "finished": finished}))


def link_folder(source: Path, target: Path) -> None:
    """Replace `target` by `source`: hard links to its files, or copies where the file system has no links.

    Files being written (their names start with a dot) are left out. Files that a run changes later are replaced,
    never written to, so that links do not lead from one run into another.
    """

    def link(origin: str, copy: str) -> None:
        try:
            os.link(origin, copy)
        except OSError:
            shutil.copy2(origin, copy)

    with new_folder(target) as new:
        shutil.copytree(source, new, copy_function=link, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)


def lock(stream: IO[str]) -> None:
    """Lock an open file for this process; the system drops the lock if the process dies.

    Raises:
        BlockingIOError: another process holds it.
    """
    if os.name == "posix":
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _waiting_lock(path: Path, stop: Stop) -> Iterator[None]:
    with path.open("w") as stream:
        while True:
            try:
                lock(stream)
                break
            except BlockingIOError:
                stop.check()
                time.sleep(PATIENCE)
        yield
