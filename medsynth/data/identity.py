"""Whether a prepared folder is intact, and still made of the images and the table that it was prepared from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.base.files import sha256
from medsynth.base.seals import check, is_finished
from medsynth.data.problems import Problem, refuse

if TYPE_CHECKING:
    from medsynth.data.images import Record

IMAGES, TABLE = "images", "table"
_HINT = "Restore it, or start another run with another --out: this one was made of the images as they were."


def check_prepared(folder: Path) -> dict[str, Any]:
    """Return the seal of a prepared folder, or an empty one; decoded pixels without a seal are removed.

    Raises:
        InputError: a file in it is not as it was written.
    """
    if is_finished(folder):
        return check(folder)
    for unfinished in folder.glob("pixels-*"):
        unfinished.unlink()
    return {}


def identity(records: Sequence[Record], root: Path, *, own: bool) -> dict[str, Any]:
    """Return the sha256 of each image, and of what the table says about all of them.

    Args:
        records: all of them.
        root: folder that images are relative to.
        own: the images lie in the prepared folder, whose seal covers them.
    """
    rows = [(r.image, r.slice, r.domain, r.label, r.patient, r.split, r.pair) for r in records]
    names = () if own else dict.fromkeys(record.image for record in records)
    return {
        IMAGES: {name: _content(root / name) for name in names},
        TABLE: hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
    }


def refuse_others(before: dict[str, Any], now: dict[str, Any], root: Path) -> None:
    """Refuse images and tables that are not those of the seal `before`, if there is one.

    Raises:
        InputError: names what changed.
    """
    if not before:
        return
    old, new = before[IMAGES], now[IMAGES]
    problems = [Problem(f"{root / name} is no longer among the images", _HINT) for name in old.keys() - new.keys()]
    problems += [Problem(f"{root / name} is new among the images", _HINT) for name in new.keys() - old.keys()]
    changed = (name for name in old.keys() & new.keys() if old[name] != new[name])
    problems += [Problem(f"{root / name} was changed after it was read", _HINT) for name in changed]
    if not problems and before[TABLE] != now[TABLE]:
        what = "domains, labels, patients, splits or pairs of images"
        problems = [Problem(f"{what} in {root} were changed after they were read", _HINT)]
    refuse(sorted(problems, key=lambda problem: problem.message))


def _content(path: Path) -> str:
    """Return the sha256 of a file, or of the names and hashes of a series' files."""
    if path.is_file():
        return sha256(path)
    files = sorted(item for item in path.iterdir() if item.is_file())
    return hashlib.sha256(json.dumps([(file.name, sha256(file)) for file in files]).encode()).hexdigest()
