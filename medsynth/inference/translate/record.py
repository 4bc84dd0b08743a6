"""What an output folder says about itself: what was asked, which source became which file, what failed."""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.base.files import write_bytes, write_json

ASKED = "synthesis.json"
MANIFEST = "manifest.csv"
ERRORS = "errors.csv"
COLUMNS = ("image", "domain", "label", "patient", "split", "pair", "source", "generator", "bundle", "version")
_KEY = ".key"


def prepare_folder(out: Path, source: Path, asked: Mapping[str, Any], *, resume: bool) -> None:
    """Refuse a folder that must not be touched, then write there what was asked.

    Args:
        out: output folder.
        source: what is to be translated; must not lie in `out`, where it could be overwritten.
        asked: what must be equal for translations to belong together; JSON-able.
        resume: continue what the folder holds.

    Raises:
        InputError: the folder holds other files, or translations by another bundle or in another way.
    """
    if source.resolve().is_relative_to(out.resolve()):
        raise InputError(f"--out {out} holds the input {source}", hint="Name a folder that does not exist yet.")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file", hint="Name a folder that does not exist yet.")
    if out.is_dir() and any(out.iterdir()):
        _check_asked(out, asked, resume)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out} cannot be made: {error.strerror}") from error
    write_json(out / ASKED, asked)


def _check_asked(out: Path, asked: Mapping[str, Any], resume: bool) -> None:
    try:
        before = dict(json.loads((out / ASKED).read_text()))
    except (OSError, ValueError, TypeError):
        hint = "Name a folder that does not exist yet."
        raise InputError(f"--out {out} holds other files than translations", hint=hint) from None
    for name, value in asked.items():
        if before.get(name) != value:
            raise InputError(
                f"--out {out} holds translations with {name} {before.get(name)!r}, not {value!r}",
                hint="Name another folder.",
            )
    if not resume:
        raise InputError(f"--out {out} already holds translations", hint="Add --resume to continue them.")


def read_key(out: Path) -> bytes:
    """Return the secret from which pseudonyms and UIDs are made; a new one if the folder has none."""
    path = out / _KEY
    if not path.is_file():
        write_bytes(path, secrets.token_bytes(32))
    return path.read_bytes()


def forget_key(out: Path) -> None:
    """Remove the secret, after which nobody can tell which patient a pseudonym stands for."""
    (out / _KEY).unlink(missing_ok=True)


def read_earlier(out: Path) -> dict[str, tuple[str, str]]:
    """Return the image and the patient of each source in an earlier manifest: the key of pseudonyms may be gone."""
    if not (out / MANIFEST).is_file():
        return {}
    with (out / MANIFEST).open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return {row["source"]: (row["image"], row["patient"]) for row in csv.DictReader(stream)}


def csv_line(cells: Sequence[object]) -> bytes:
    """Return one line of a CSV file in UTF-8; bytes of file names that are not UTF-8 stay as they are."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode(errors="surrogateescape")


def write_errors(out: Path, failures: Sequence[tuple[str, str]]) -> None:
    """Write errors.csv, or remove an older one if there are none."""
    if failures:
        write_bytes(out / ERRORS, b"".join(map(csv_line, [("file", "problem"), *failures])))
    else:
        (out / ERRORS).unlink(missing_ok=True)
