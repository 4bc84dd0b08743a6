"""Which layout a folder or file has, told by the names in it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from medsynth.base.configuration import nearest
from medsynth.base.errors import InputError
from medsynth.data.importing.image_items import FoundImages
from medsynth.data.listing.image_table import NEEDED
from medsynth.data.listing.sources import CYCLEGAN
from medsynth.reading.leftovers import is_hidden

LAYOUTS = {
    "manifest": "a manifest",
    "cyclegan": "a data set in CycleGAN's layout",
    "domains": "a folder with source and target",
    "nnunet": "an nnU-Net data set",
    "bids": "a BIDS data set",
    "medmnist": "a MedMNIST file",
    "folder": "a folder of images",
}
"""Name of each layout and what people call it."""
TABLES = (".csv", ".tsv")


def recognize_layout(place: Path, wanted: str = "", *, alone: bool = True) -> str:
    """Return the name of a place's layout.

    Args:
        place: file or folder.
        wanted: the name, where a user said it.
        alone: there is one place; of two, the wanted name counts where several fit.

    Raises:
        InputError: it does not exist, several layouts fit, or the wanted one is unknown.
    """
    if wanted and wanted not in LAYOUTS:
        raise InputError(f"--layout {wanted!r} is unknown", hint=nearest(wanted, LAYOUTS))
    if not place.exists():
        raise InputError(f"{place} does not exist", hint="Check its spelling.")
    if wanted and alone:
        return wanted
    if place.is_file():
        if place.suffix.lower() in TABLES:
            return "manifest" if is_manifest(place) else "folder"
        return "medmnist" if place.suffix.lower() == ".npz" else "folder"
    seen = {name: found for name, found in _marks(place).items() if found}
    if "manifest" in seen:  # somebody wrote down what is in it
        return "manifest"
    if wanted in seen:
        return wanted
    if len(seen) > 1:
        listed = "; ".join(f"{LAYOUTS[name]} ({', '.join(found[:4])})" for name, found in seen.items())
        hint = f"Say which one it is with --layout {' or --layout '.join(seen)}, or name a folder further down."
        raise InputError(f"{place} looks like {listed}", hint=hint)
    return next(iter(seen), "folder")


def is_manifest(path: Path) -> bool:
    """Tell a manifest from another table by its columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = [name.strip() for name in next(csv.reader(file), [])]
    except (UnicodeDecodeError, csv.Error):
        return False
    return set(NEEDED) <= set(header)


def read_json(path: Path) -> dict[str, Any]:
    """Read an object of a data set's description.

    Raises:
        InputError: it is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="Repair it or move it away.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object", hint="Repair it or move it away.")
    return content


def own_table(place: Path, found: FoundImages) -> None:
    """Note the one table that lies in a folder of images, as that of its labels."""
    tables = sorted(path for path in place.iterdir() if path.suffix.lower() in TABLES) if place.is_dir() else []
    if len(tables) == 1:
        found.table = tables[0]


def _marks(place: Path) -> dict[str, list[str]]:
    """Return by layout the names in a folder that speak for it."""
    names = sorted(entry.name for entry in place.iterdir() if not is_hidden(entry.name))
    folders = [name for name in names if (place / name).is_dir()]
    subjects = [name for name in folders if name.startswith("sub-")]
    described = [name for name in names if name == "dataset_description.json"]
    archives = [name for name in names if name.lower().endswith(".npz")]
    return {
        "manifest": [name for name in names if name == "manifest.csv"],
        "cyclegan": [name for name in folders if name in CYCLEGAN],
        "domains": ["source", "target"] if {"source", "target"} <= set(folders) else [],
        "nnunet": [name for name in folders if name in ("imagesTr", "imagesTs")],
        "bids": described + subjects if subjects and (described or _named_as_in_bids(place)) else [],
        "medmnist": archives if len(archives) == 1 and not folders else [],
    }


def _named_as_in_bids(place: Path) -> bool:
    return next(place.glob("sub-*/**/sub-*_*.nii*"), None) is not None
