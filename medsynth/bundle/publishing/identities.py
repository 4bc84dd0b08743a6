"""Whether a bundle tells whose images it was made of, as far as names are known and files can hold them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path, PurePosixPath

from medsynth.base.errors import InputError
from medsynth.bundle.audit.rules.findings import shown
from medsynth.bundle.format.manifest import MANIFEST
from medsynth.bundle.format.privacy import without_locations
from medsynth.data.images import Record
from medsynth.data.pseudonyms import CENTER, Pseudonyms

_TEXTS = ("", ".json", ".md", ".txt", ".conf", ".py", ".csv", ".yaml", ".yml", ".xml", ".cff", ".toml")
_WITH_HEADERS = (".dcm", ".nii", ".gz", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".mat", ".h5", ".hdf5")
"""Kinds of images and data that can name a person beside what they show; medsynth puts none of them into a bundle."""
_NAMING_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")
_SAMPLE = re.compile(r"(source|target)-\d+\.png")
"""What medsynth calls the images that it draws for a bundle; somebody's own may be called so, too."""
_PNG = b"\x89PNG\r\n\x1a\n"


def known_names(manifest: Path) -> Pseudonyms:
    """Return the names of images, patients and centers that a manifest of images holds.

    Raises:
        InputError: it cannot be read, or has no column ``patient``.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"manifest {manifest} cannot be read: {error}") from error
    if not rows or "patient" not in rows[0]:
        raise InputError(f"manifest {manifest} has no column 'patient'", hint="Give the CSV table that --data was.")
    records = [
        Record(
            image=row.get("image") or "",
            domain="",
            label=None,
            patient=row["patient"] or "",
            split="",
            extra={CENTER: row.get(CENTER) or ""},
        )
        for row in rows
    ]
    return Pseudonyms.of(records, shown=False)


def identifying(folder: Path, files: Iterable[str], names: Pseudonyms | None) -> Iterator[str]:
    """Yield what in a bundle may tell about a person, a place or this machine.

    Weights and programs are not searched: medsynth writes numbers and code into them.

    Args:
        folder: of the bundle.
        files: its files.
        names: of the images that it was trained on; None if they are not known.
    """
    home = Path.home()
    plan = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("plan", {})
    if without_locations(plan) != plan:
        yield f"{MANIFEST}: its plan holds a location or an identifying value"
    harmless = set() if names is None else {*names.names_in(_template())}
    for name in (*files, MANIFEST):
        path, suffix = folder / name, PurePosixPath(name).suffix.lower()
        text = path.read_text(encoding="utf-8", errors="replace") if suffix in _TEXTS else ""
        found = [] if names is None else names.names_in(f"{name}\n{text}")
        telling = [one for one in found if one not in harmless and not _SAMPLE.fullmatch(one)]
        yield from (f"{name}: names {shown(one)!r}" for one in telling)
        if len(home.parts) > 2 and str(home) in text:
            yield f"{name}: names the folder {home}"
        if suffix in _WITH_HEADERS:
            yield f"{name}: is of a kind that can name a person in its header"
        elif suffix == ".png":
            yield from (f"{name}: holds a text beside its pixels" for _ in _texts_of_png(path.read_bytes())[:1])


def _template() -> str:
    """Return words that every card holds, whoever may be called so."""
    return (resources.files("medsynth.bundle.writing") / "card.md").read_text(encoding="utf-8")


def _texts_of_png(content: bytes) -> list[bytes]:
    """Return the kinds of the chunks of a PNG file that hold words."""
    kinds, position = [], len(_PNG)
    while position + 8 <= len(content):
        kinds.append(content[position + 4 : position + 8])
        position += 12 + int.from_bytes(content[position : position + 4], "big")
    return [kind for kind in kinds if kind in _NAMING_CHUNKS]
