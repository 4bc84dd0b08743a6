"""The manifest of a bundle, medsynth.json: the sha256 of every other file, and a checksum of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from medsynth.base.errors import InputError
from medsynth.base.files import sha256, write_text
from medsynth.base.seals import CHECKSUM
from medsynth.base.seals import is_sealed as is_sealed
from medsynth.base.seals import sealed as sealed

MANIFEST = "medsynth.json"


def list_files(root: Path, names: Iterable[str]) -> None:
    """Put files that were added to a bundle, or replaced, into its manifest; `names` are paths below `root`.

    Raises:
        InputError: there is no readable manifest.
        RunError: it cannot be written.
    """
    write_listing(root, read_manifest(root), {name: sha256(root / name) for name in names})


def write_listing(root: Path, content: Mapping[str, Any], added: Mapping[str, str]) -> str:
    """Write `content` as the manifest of the bundle at `root`, with further files, and return its sha256.

    Args:
        root: folder of the bundle.
        content: of a manifest.
        added: sha256 of files that were added or replaced, by path below `root`.

    Raises:
        RunError: it cannot be written.
    """
    files = dict(sorted({**content["files"], **added}.items()))
    text = sealed({name: value for name, value in content.items() if name != CHECKSUM} | {"files": files})
    write_text(root / MANIFEST, text)
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(root: Path) -> dict[str, Any]:
    """Return the content of medsynth.json.

    Raises:
        InputError: it is missing, no JSON, or lists no files.
    """
    path = root / MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="Copy the bundle again.") from error
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        raise InputError(f"{path} lists no files", hint="Copy the bundle again.")
    return content


def bundle_at(path: Path) -> Path:
    """Return the bundle that `path` means: the one of the run that lies there, else `path` itself."""
    inner = path / "bundle"
    return inner if (inner / MANIFEST).is_file() and not (path / MANIFEST).is_file() else path


def digest_of(root: Path) -> str:
    """Return the sha256 of a bundle's medsynth.json, which stands for the whole bundle."""
    return sha256(root / MANIFEST)


def digest(stream: BinaryIO) -> str:
    """Return the sha256 of what a stream holds."""
    found = hashlib.sha256()
    for part in iter(lambda: stream.read(1 << 20), b""):
        found.update(part)
    return found.hexdigest()
