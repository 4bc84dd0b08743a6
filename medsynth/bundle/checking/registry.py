"""Several bundles: found below a folder, or read from an index that was written before."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from medsynth.base.errors import InputError
from medsynth.base.files import sha256, write_json
from medsynth.bundle.audit.rules.findings import shown
from medsynth.bundle.checking.description import Description, describe_bundle

INDEX = "index.json"
_DEEPEST = 8
_LONGEST_PATH = 4096
_LARGEST = 1 << 63
"""No bundle has so many bytes."""
_DESCRIPTION = TypeAdapter(Description)


def list_bundles(place: Path) -> list[dict[str, Any]]:
    """Describe the bundles below a folder, or those that an index file names.

    Returns:
        Per bundle its path below the folder, for zip files their own sha256 (``archive``), and its description.

    Raises:
        InputError: neither a folder nor an index.
    """
    if place.is_dir():
        return [_entry(place, path) for path in find_bundles(place)]
    return read_index(place)


def write_index(folder: Path) -> list[dict[str, Any]]:
    """Write ``index.json`` into a folder of bundles, so that others can choose before they fetch one.

    Returns:
        What it lists, as `list_bundles`.

    Raises:
        InputError: `folder` is none.
        RunError: the file cannot be written.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", hint="Give the folder that holds the bundles.")
    entries = [_entry(folder, path) for path in find_bundles(folder)]
    write_json(folder / INDEX, {"schema": 1, "bundles": entries})
    return entries


def find_bundles(folder: Path) -> Iterator[Path]:
    """Yield the bundles below a folder, and zip files that hold one; links and hidden folders are not followed."""
    for here, folders, files in os.walk(folder):
        root = Path(here)
        if (root / "configs/metadata.json").is_file():
            folders.clear()
            yield root
            continue
        depth = len(root.relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < _DEEPEST else []
        yield from (root / name for name in sorted(files) if name.endswith(".zip") and _is_bundle(root / name))


def read_index(path: Path) -> list[dict[str, Any]]:
    """Return the bundles that an index names; nothing that it says was checked.

    Raises:
        InputError: it cannot be read, or is no index.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [_checked(entry) for entry in content["bundles"]]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path} is neither a folder of bundles nor an index of them: {error}",
            hint="Write one with: medsynth bundle index FOLDER",
        ) from error


def find_entry(index: Path, path: str) -> dict[str, Any]:
    """Return what an index says about the bundle at `path`.

    Raises:
        InputError: it cannot be read, is no index, or names no such bundle.
    """
    entries = {entry["path"]: entry for entry in read_index(index)}
    if path not in entries:
        raise InputError(f"{index} names no bundle {path!r}", hint=f"It names: {', '.join(entries) or 'none'}.")
    return entries[path]


def _entry(folder: Path, path: Path) -> dict[str, Any]:
    archive = {"archive": sha256(path)} if path.is_file() else {}
    # A name of bytes that are no text is escaped, so that it spoils neither the table nor the index.
    place = shown(path.relative_to(folder).as_posix(), _LONGEST_PATH)
    return {"path": place, **archive, **describe_bundle(path).as_dict()}


def _is_bundle(path: Path) -> bool:
    try:
        describe_bundle(path)
    except InputError:
        return False
    return True


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with a path and exactly the fields of a description, its words safe to show."""
    place = {key: str(entry[key]) for key in ("path", "archive") if key == "path" or key in entry}
    described = _DESCRIPTION.validate_python(entry).as_dict()
    numbers = [number for parts in described["figures"].values() for number in parts.values()]
    if not all(map(math.isfinite, numbers)) or not all(0 <= described[key] < _LARGEST for key in ("files", "bytes")):
        raise ValueError(f"{shown(place['path'])} has a number that none can be")
    return dict(_cleaned({**place, **described}))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value, 400)
    if isinstance(value, dict):
        return {shown(key): _cleaned(inner) for key, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, tuple) else value
