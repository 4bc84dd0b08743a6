"""Which exports a bundle holds, and whether their files are still the ones that were checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError, RunError
from medsynth.base.files import json_text, sha256, write_bytes, write_text
from medsynth.bundle.format.manifest import digest_of, write_listing
from medsynth.bundle.opening.opened import Opened
from medsynth.bundle.trust.memory import pass_on
from medsynth.inference.export_formats import FORMATS

RECORD = "models/exports.json"


def read_exports(bundle: Opened) -> dict[str, Any]:
    """Return what is recorded about the bundle's exports, by format; empty if there are none.

    Raises:
        InputError: the record cannot be read, or was changed.
    """
    path = bundle.copy / RECORD
    if path.is_file() and sha256(path) != bundle.listed.get(RECORD):
        raise InputError(f"{bundle.root / RECORD} was changed after it was checked", hint="Delete it and export again.")
    content = bundle.json(RECORD) if path.is_file() else {"schema": 1, "exports": {}}
    if not isinstance(content, dict) or not isinstance(content.get("exports"), dict):
        raise InputError(f"{bundle.root / RECORD} is no record of exports", hint="Delete it and export again.")
    return dict(content["exports"])


def record_export(bundle: Opened, name: str, facts: Mapping[str, Any], folder: Path) -> None:
    """Put the export in format `name` and its record into the bundle; `facts` are those of `read_exports`.

    They go into the bundle's manifest as it was when the network was read, so the bundle has another hash from now on.

    Args:
        bundle: that the network was read from.
        name: of the format.
        facts: about the export.
        folder: with the files of the export.

    Raises:
        InputError: the record of its exports was changed.
        RunError: the bundle is another one by now, or they cannot be written.
    """
    if digest_of(bundle.root) != bundle.digest:
        raise RunError(f"bundle {bundle.root} was changed while it was exported", hint="Export it again.")
    record = json_text({"schema": 1, "exports": {**read_exports(bundle), name: dict(facts)}})
    for file in FORMATS[name]:
        write_bytes(bundle.root / "models" / file, (folder / file).read_bytes())
    write_text(bundle.root / RECORD, record)
    added = {f"models/{file}": sha for file, sha in facts["files"].items()}
    added[RECORD] = hashlib.sha256(record.encode()).hexdigest()
    pass_on(bundle.digest, write_listing(bundle.root, bundle.origin, added))


def exported_file(bundle: Opened, name: str) -> Path:
    """Return the copy of an export's file to be loaded, the first of its format's files.

    Raises:
        InputError: the bundle is not trusted here, there is no such export, or it, the record or the bundle's weights
            were changed since the check.
    """
    bundle.snapshot.admit()
    again = f"Make it with: medsynth export {bundle.root} --format {name}"
    facts = read_exports(bundle).get(name)
    if facts is None:
        raise InputError(f"bundle {bundle.root} holds no export in the format {name}", hint=again)
    for file in (RECORD, *(f"models/{file}" for file in FORMATS[name])):
        if not (bundle.copy / file).is_file():
            raise InputError(f"{bundle.root / file} is missing", hint=again)
        if sha256(bundle.copy / file) != bundle.listed.get(file):
            raise InputError(f"{bundle.root / file} was changed after it was checked", hint=again)
    if facts["weights"] != bundle.listed.get(bundle.role.weights):
        raise InputError(f"the {name} export of {bundle.root} was made of other weights", hint=again)
    return bundle.copy / "models" / FORMATS[name][0]
