"""BIDS data sets: sub-*/[ses-*/]anat/sub-*_T1w.nii.gz, participants.tsv, and masks among the derivatives.

Source: Brain Imaging Data Structure 1.10, common principles and "Imaging data types".
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.data.importing.folder_items import add_folder
from medsynth.data.importing.image_items import FoundImages, ImageItem, ImportRequest
from medsynth.reading import LeftOut, scan, stem
from medsynth.reading.leftovers import is_hidden

_MASKS = ("mask", "dseg", "probseg")
_ENTITY = re.compile(r"(?:^|[_/])(sub|ses|desc)-([A-Za-z0-9]+)")


def bids_contents(place: Path, request: ImportRequest) -> FoundImages:
    """Return the raw images of a BIDS data set, each with its suffix (``T1w``) as its kind, and its masks."""
    found = FoundImages(place, "bids")
    beside = [
        entry
        for entry in sorted(place.iterdir())
        if entry.is_dir() and not entry.name.startswith("sub-") and not is_hidden(entry.name)
    ]
    add_folder(found, place, request, skip=[entry.resolve() for entry in beside])
    found.left_out += [LeftOut(entry, "folders beside the subjects of BIDS") for entry in beside]
    raw = [item for item in found.items if suffix_of(item.path) not in _MASKS]
    masks = [item.path for item in found.items if suffix_of(item.path) in _MASKS]
    found.left_out += [LeftOut(path, "masks of other images") for path in masks]
    masks += [path for item in raw for path in item.masks]
    masks += [one.path for entry in beside for one in _masks_below(entry)]
    found.items = [replace(item, kind=item.kind if item.series else suffix_of(item.path), folders=()) for item in raw]
    if request.label_from_mask:
        found.items = _with_masks(place, found.items, list(dict.fromkeys(masks)), request)
    if not (place / "dataset_description.json").is_file():
        found.said.append("There is no dataset_description.json; it is taken as BIDS for its folders sub-*.")
    if (place / "participants.tsv").is_file():
        found.table = place / "participants.tsv"
    return found


def suffix_of(path: Path) -> str:
    """Return the last part of a BIDS name: ``T1w`` of ``sub-1_T1w.nii.gz``."""
    return stem(path.name).rpartition("_")[2]


def _masks_below(folder: Path) -> list[LeftOut]:
    seen = scan(folder, series=None)
    paths = [one.path for one in seen.files] + [one.path for one in seen.left_out if one.of is not None]
    return [LeftOut(path, "") for path in paths if suffix_of(path) in _MASKS]


def _entities(path: Path) -> dict[str, str]:
    return dict(_ENTITY.findall(path.name))


def _with_masks(place: Path, items: list[ImageItem], masks: list[Path], request: ImportRequest) -> list[ImageItem]:
    """Give each image the masks of its subject and session.

    Raises:
        InputError: there are several kinds of masks, such as of brain and lesion, and none was chosen.
    """
    masks = [path for path in masks if request.counts(path)]
    kinds = sorted({"_".join(filter(None, (_entities(path).get("desc", ""), suffix_of(path)))) for path in masks})
    if len(kinds) > 1:
        hint = f"Choose those that make an image positive, e.g. --masks '*{kinds[0]}*'."
        raise InputError(f"{place} holds several kinds of masks: {', '.join(kinds)}", hint=hint)
    of: dict[tuple[str, str], list[Path]] = {}
    for path in masks:
        entities = _entities(path)
        of.setdefault((entities.get("sub", ""), entities.get("ses", "")), []).append(path)
    given = []
    for item in items:
        entities = _entities(item.path)
        given.append(replace(item, masks=tuple(of.get((entities.get("sub", ""), entities.get("ses", "")), ()))))
    return given
