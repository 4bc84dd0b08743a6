"""What medsynth itself adds to a bundle does not end its user's trust."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from medsynth.base.seals import CHECKSUM, is_sealed
from medsynth.bundle.format.manifest import MANIFEST
from medsynth.bundle.trust.memory import find_trust, keep


def pass_on(before: str, after: str) -> None:
    """Trust the bundle with hash `after`, which medsynth itself made of that with hash `before`, as much as that."""
    entry = find_trust(before)
    if entry is not None and after != before:
        keep(after, entry.name, entry.origin, before)


@contextmanager
def pass_on_through(before: bytes, root: Path, changes: Collection[str]) -> Iterator[None]:
    """Trust the bundle at `root` after the block as much as that with the manifest `before`, if only `changes` differ.

    So a process that is not to be trusted itself may add an export to a bundle: `changes` are paths of its files.
    """
    yield
    if changes and (root / MANIFEST).is_file():
        after = (root / MANIFEST).read_bytes()
        if is_sealed(after) and _without(after, changes) == _without(before, changes):
            pass_on(hashlib.sha256(before).hexdigest(), hashlib.sha256(after).hexdigest())


def _without(manifest: bytes, names: Collection[str]) -> dict[str, object]:
    content: dict[str, object] = json.loads(manifest)
    files = content.get("files")
    kept = {name: value for name, value in files.items() if name not in names} if isinstance(files, dict) else files
    return {**content, "files": kept, CHECKSUM: ""}
