"""Compares a bundle with its manifest, and its library versions with the installed ones, without executing it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.bundle.audit.rules.findings import shown
from medsynth.bundle.checking.bundle_files import Files, digest_of_member, files_of
from medsynth.bundle.format.manifest import MANIFEST, is_sealed
from medsynth.bundle.format.versions import differing_versions
from medsynth.bundle.format.zips import is_as_written

_RESULTS = ("eval/", (".csv", ".png"))
_LONGEST = 400
SIGNATURE = "model.sig"
"""File of an OpenSSF signature, which signs the manifest and so cannot be listed in it."""


@dataclass(frozen=True)
class Deviation:
    """A file that is not as the manifest says: ``changed``, ``missing``, ``added`` or ``unsafe``, and why.

    A signature that does not fit is ``not confirmed``. The file's name is cleaned of what a terminal would act on.
    """

    file: str
    problem: str
    detail: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", shown(self.file, _LONGEST))


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a comparison with the manifest found.

    Args:
        digest: sha256 of medsynth.json; empty if that is not intact.
        files: number of files that the manifest lists.
        deviations: files that are not as listed.
        results: number of tables and images that running the bundle left in ``eval/``; nothing reads them.
        versions: of libraries that differ, as name: (the bundle's, here; empty = not installed).
        install: the command that installs the bundle's versions of those; empty if there are none.
        signed: whether a signature was asked for and is confirmed.
    """

    digest: str
    files: int
    deviations: tuple[Deviation, ...]
    results: int
    versions: Mapping[str, tuple[str, str]]
    install: str
    signed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the verification as ``--json`` prints it."""
        return {"schema": 1, "intact": not self.deviations, **asdict(self)}


def verify_bundle(bundle: Path, *, sha256: str = "") -> Verification:
    """Compare every file of a bundle with its manifest.

    That finds damage and changes; in a zip file that medsynth wrote also those that leave its files as they are. Who
    changes a file and writes a new manifest makes another bundle: compare the hash of medsynth.json with the
    published one, or check a signature.

    Args:
        bundle: folder or zip file. It is only read.
        sha256: of medsynth.json, as it was published; empty = unknown.

    Raises:
        InputError: it is neither.
    """
    with files_of(bundle) as files:
        deviations = [Deviation(finding.file, "unsafe", finding.reason) for finding in files.unsafe]
        versions, install = differing_versions(files.json("configs/metadata.json"))
        text = files.text(MANIFEST) or b""
        digest = hashlib.sha256(text).hexdigest()
        listed = listing(text)
        results = 0
        if listed is None:
            problem = "changed" if MANIFEST in files.members else "missing"
            deviations.append(Deviation(MANIFEST, problem, "so no other file can be compared"))
        else:
            added = files.members.keys() - listed.keys() - {MANIFEST, SIGNATURE}
            results = sum(map(_is_result, added))
            deviations += _compare(files, listed)
            deviations += [_added(name) for name in sorted(added) if not _is_result(name)]
            if sha256 and sha256.lower() != digest:
                deviations.append(Deviation(MANIFEST, "changed", f"its sha256 is {digest}"))
        if bundle.is_file() and not deviations and not is_as_written(bundle):
            deviations.append(Deviation(bundle.name, "changed", "the files in it are as listed"))
        return Verification(
            digest="" if listed is None else digest,
            files=len(listed or ()),
            deviations=tuple(deviations),
            results=results,
            versions=versions,
            install=install,
        )


def refuse_deviations(root: Path, complaint: str) -> None:
    """Refuse a bundle that is not as its manifest lists it.

    Raises:
        InputError: `complaint` and the first file that is not as listed.
    """
    if deviations := verify_bundle(root).deviations:
        more = f" and {len(deviations) - 1} more" if len(deviations) > 1 else ""
        hint = f"See all with: medsynth bundle verify {root}"
        raise InputError(f"{complaint}: {deviations[0].file} {deviations[0].problem}{more}", hint=hint)


def listing(text: bytes) -> dict[str, str] | None:
    """Return the hashes that an intact manifest lists; None for any other."""
    files = json.loads(text).get("files") if is_sealed(text) else None
    usable = isinstance(files, dict) and all(isinstance(value, str) for value in files.values())
    return files if usable else None


def _compare(files: Files, listed: Mapping[str, str]) -> list[Deviation]:
    deviations = []
    for name, expected in sorted(listed.items()):
        if name not in files.members:
            deviations.append(Deviation(name, "missing"))
            continue
        found, problem = digest_of_member(files.members[name])
        if found != expected:
            deviations.append(Deviation(name, "changed", problem))
    return deviations


def _added(name: str) -> Deviation:
    compiled = "/__pycache__/" in f"/{name}"
    return Deviation(name, "added", "Python left it; delete its folder" if compiled else "")


def _is_result(name: str) -> bool:
    folder, suffixes = _RESULTS
    return name.startswith(folder) and name.endswith(suffixes)
