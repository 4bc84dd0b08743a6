"""Which exports a bundle holds, and whether their files are still the ones that were checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medsynth.bundle.admission import admit
from medsynth.bundle.manifest import list_files, read_manifest
from medsynth.bundle.trust import pass_on
from medsynth.deployment import FORMATS
from medsynth.errors import InputError
from medsynth.files import sha256, write_json
from medsynth.rebuilding import Opened, read_json

RECORD = "models/exports.json"


def read_exports(bundle: Opened) -> dict[str, Any]:
    """Return what is recorded about the bundle's exports, by format; empty if there are none.

    Raises:
        InputError: the record cannot be read, or was changed.
    """
    path = bundle.root / RECORD
    if path.is_file() and sha256(path) != read_manifest(bundle.root)["files"].get(RECORD):
        raise InputError(f"{path} was changed after it was checked", hint="Delete it and export again.")
    content = read_json(path) if path.is_file() else {"schema": 1, "exports": {}}
    if not isinstance(content, dict) or not isinstance(content.get("exports"), dict):
        raise InputError(f"{path} is no record of exports", hint="Delete it and export again.")
    return dict(content["exports"])


def record_export(bundle: Opened, name: str, facts: Mapping[str, Any]) -> None:
    """Add or replace the record of the export in format `name`; `facts` are those of `read_exports`.

    The record and the export's files go into the bundle's manifest, so the bundle has another hash from now on.
    """
    before = bundle.digest
    write_json(bundle.root / RECORD, {"schema": 1, "exports": {**read_exports(bundle), name: dict(facts)}})
    list_files(bundle.root, [RECORD, *(f"models/{file}" for file in FORMATS[name])])
    pass_on(before, bundle.root)


def exported_file(bundle: Opened, name: str) -> Path:
    """Return the file of an export to be loaded, the first of its format's files.

    Raises:
        InputError: the bundle is not trusted here, there is no such export, or it, the record or the bundle's weights
            were changed since the check.
    """
    admit(bundle.root)
    again = f"Make it with: medsynth export {bundle.root} --format {name}"
    facts = read_exports(bundle).get(name)
    if facts is None:
        raise InputError(f"bundle {bundle.root} holds no export in the format {name}", hint=again)
    listed = read_manifest(bundle.root)["files"]
    for file in (RECORD, *(f"models/{file}" for file in FORMATS[name])):
        path = bundle.root / file
        if not path.is_file():
            raise InputError(f"{path} is missing", hint=again)
        if sha256(path) != listed.get(file):
            raise InputError(f"{path} was changed after it was checked", hint=again)
    if facts["weights"] != bundle.origin["files"].get(bundle.role.weights):
        raise InputError(f"the {name} export of {bundle.root} was made of other weights", hint=again)
    return bundle.root / "models" / FORMATS[name][0]
