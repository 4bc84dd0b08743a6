"""Which bundles this user trusts: one small file per manifest hash in the user's data folder.

What medsynth itself adds to a bundle does not end that trust.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from medsynth.base.errors import InputError, RunError
from medsynth.base.files import write_json
from medsynth.base.home import data_folder
from medsynth.base.seals import CHECKSUM, is_sealed
from medsynth.bundle.format.manifest import MANIFEST, digest_of
from medsynth.confinement.confined import is_confined

RUN = "run"
"""Origin of bundles that a run of this user wrote."""
USER = "user"
"""Origin of bundles that the user chose to trust."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """A trusted bundle.

    Args:
        digest: sha256 of its medsynth.json.
        name: of the bundle, for people.
        origin: `RUN` or `USER`.
        since: date, in UTC.
        before: its hash before medsynth itself last changed it, by an export; empty if it never did.
    """

    digest: str
    name: str
    origin: str
    since: str
    before: str = ""


def remember(root: Path, name: str, origin: str) -> Trusted:
    """Trust the bundle at `root` as it is now; arguments as in `Trusted`.

    Raises:
        RunError: the data folder cannot be written.
    """
    return keep(digest_of(root), name, origin)


def keep(digest: str, name: str, origin: str, before: str = "") -> Trusted:
    """Trust the bundle with this hash; arguments as in `Trusted`, errors as of `remember`."""
    today = datetime.now(UTC).date().isoformat()
    entry = Trusted(digest=digest, name=name, origin=origin, since=today, before=before)
    if is_confined():  # whoever confined this process decides what is trusted
        return entry
    try:
        write_json(_file(entry.digest), {"schema": 1, **asdict(entry)})
    except OSError as error:
        raise RunError(
            f"{data_folder()} could not be written: {error.strerror}", hint="Set MEDSYNTH_HOME to a folder of yours."
        ) from error
    return entry


def find_trust(digest: str) -> Trusted | None:
    """Return what is remembered about a manifest hash; None if it is not trusted, or what is there cannot be read."""
    if not _DIGEST.fullmatch(digest):  # an index may call anything a digest
        return None
    try:
        content = json.loads(_file(digest).read_text())
        entry = Trusted(**{field.name: str(content[field.name]) for field in fields(Trusted)})
    except (OSError, ValueError, KeyError, TypeError, RunError):
        return None
    return entry if entry.digest == digest else None


def all_trusted() -> list[Trusted]:
    """Return all trusted bundles, the latest first."""
    digests = [path.stem for path in (data_folder() / "trust").glob("*.json") if _DIGEST.fullmatch(path.stem)]
    found = [entry for digest in digests if (entry := find_trust(digest)) is not None]
    return sorted(found, key=lambda entry: (entry.since, entry.digest), reverse=True)


def forget(wanted: str) -> Trusted:
    """Trust a bundle no longer, nor what it was before exports; `wanted` is its hash or at least 8 first digits of it.

    Raises:
        InputError: no trusted bundle, or more than one, has a hash that begins so.
    """
    found = [entry for entry in all_trusted() if len(wanted) >= 8 and entry.digest.startswith(wanted)]
    if len(found) != 1:
        problem = f"{len(found)} trusted bundles have" if found else "no trusted bundle has"
        raise InputError(
            f"{problem} a hash that begins with {wanted!r}", hint="See them with: medsynth bundle trust --list"
        )
    entry: Trusted | None = found[0]
    while entry is not None:
        _file(entry.digest).unlink(missing_ok=True)
        entry = find_trust(entry.before)
    return found[0]


def _file(digest: str) -> Path:
    return data_folder() / "trust" / f"{digest}.json"


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
