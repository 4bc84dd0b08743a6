"""Seals: the sha256 of all files of a finished folder, so that damage is found before anything is built on it.

A stage writes ``seal.json`` last of all. A folder that has one is complete and is read only as it was sealed; work in a
folder without one is done again, or goes on from a checkpoint, which carries its own sha256 at its end. JSON files that
stand alone, such as run.json, have a checksum as their last entry.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.base.files import json_text, sha256, write_text

SEAL = "seal.json"
CHECKSUM = "checksum"
_FOREIGN = ("tensorboard", "wandb")
"""Folders of logs that another program's writer may still hold open; nothing of medsynth reads them."""
_DIGITS = 64
_SHOWN = 3


# ------------------------------------------------------------ folders


def is_finished(folder: Path) -> bool:
    """Tell whether a folder was completed and sealed."""
    return (folder / SEAL).exists()


def finish(
    folder: Path,
    *,
    also: Collection[str] = (),
    besides: Collection[str] = (),
    known: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Seal a folder: write the sha256 of all its files into ``seal.json``.

    Left out are hidden files, logs of TensorBoard and Weights & Biases, and folders in it that have their own seal.

    Args:
        folder: holds everything that it will.
        also: further files, as paths relative to it.
        besides: files of it that are about to vanish.
        known: hashes by name that need not be computed again.
        facts: further entries.

    Raises:
        RunError: it cannot be written.
    """
    hashes = hashes_of(folder, besides=besides, known=known)
    hashes |= {name: sha256(folder / name) for name in also}
    write_text(folder / SEAL, sealed({"schema": 1, "files": hashes, **(facts or {})}))


def check(folder: Path, only: Collection[str] = ()) -> dict[str, Any]:
    """Return the content of a folder's seal, after comparing every file with it, or only those that are read.

    Raises:
        InputError: files are missing or not as they were sealed; it names them, and what to do.
    """
    content = read_sealed(folder / SEAL, hint=_again(folder))
    files = content["files"]
    refuse_changed(folder, {name: files.get(name, "") for name in only} if only else files)
    return content


def refuse_unsealed(folder: Path, last: str, *, unless: str) -> None:
    """Refuse a folder that holds its last file but neither a seal nor what it would be continued from.

    Raises:
        InputError: names the seal, and what to do.
    """
    if (folder / last).exists() and not (folder / unless).exists():
        raise InputError(f"{folder / SEAL} is missing", hint=_again(folder))


def is_intact(folder: Path) -> bool:
    """Tell whether a folder is finished and all its files are as they were sealed."""
    try:
        return is_finished(folder) and bool(check(folder))
    except InputError:
        return False


def hashes_of(folder: Path, *, besides: Collection[str] = (), known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the sha256 of the files of a folder by relative path; arguments as in `finish`."""
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in (SEAL, *_FOREIGN, *besides):
            continue
        if path.is_file():
            found[path.name] = (known or {}).get(path.name) or sha256(path)
        elif not is_finished(path):
            found |= {f"{path.name}/{name}": digest for name, digest in hashes_of(path).items()}
    return found


def refuse_changed(folder: Path, hashes: Mapping[str, str]) -> None:
    """Refuse files that are missing or whose sha256 is another one.

    Raises:
        InputError: names the first of them, and what to do.
    """
    problems = [problem for name, digest in hashes.items() if (problem := _problem(folder / name, digest))]
    if problems:
        more = f" and {len(problems) - _SHOWN} more files" if len(problems) > _SHOWN else ""
        raise InputError("; ".join(problems[:_SHOWN]) + more, hint=_again(folder))


def _problem(path: Path, digest: str) -> str:
    path = Path(os.path.normpath(path))
    try:
        return "" if sha256(path) == digest else f"{path} is damaged: it is not as it was written"
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"


def _again(folder: Path) -> str:
    return f"Restore it from a copy, or remove {folder} and continue with --resume, which makes it again."


# ------------------------------------------------------------ JSON files that carry a checksum


def sealed(content: Mapping[str, Any]) -> str:
    """Return JSON text of `content` and, as its last entry, the sha256 of its text without that entry."""
    return json_text({**content, CHECKSUM: hashlib.sha256(json_text(content).encode()).hexdigest()})


def is_sealed(text: bytes) -> bool:
    """Tell whether bytes are exactly those that `sealed` gives for their content."""
    try:
        content = json.loads(text)
        del content[CHECKSUM]
        return sealed(content).encode() == text
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def read_sealed(path: Path, *, hint: str) -> dict[str, Any]:
    """Return the content of a file of `sealed`, without the checksum.

    Raises:
        InputError: it cannot be read or was changed; with `hint`.
    """
    text = _bytes_of(path, hint)
    if not is_sealed(text):
        raise InputError(f"{path} is damaged: it is not as it was written", hint=hint)
    content: dict[str, Any] = json.loads(text)
    del content[CHECKSUM]
    return content


# ------------------------------------------------------------ binary files that carry their own sha256


def with_digest(content: bytes) -> bytes:
    """Return `content` followed by the 64 hexadecimal digits of its sha256."""
    return content + hashlib.sha256(content).hexdigest().encode()


def without_digest(path: Path, *, hint: str) -> bytes:
    """Return what a file of `with_digest` holds.

    Raises:
        InputError: it is not as it was written; with `hint`.
    """
    content = _bytes_of(path, hint)
    if with_digest(content[:-_DIGITS]) != content:
        raise InputError(f"{path} is damaged: it is not as it was written", hint=hint)
    return content[:-_DIGITS]


def _bytes_of(path: Path, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
