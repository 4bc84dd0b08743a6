"""nnU-Net data sets: imagesTr, imagesTs, labelsTr, labelsTs and dataset.json.

Source: nnU-Net, documentation/dataset_format.md: ``CASE_0000.nii.gz`` is a case's first channel,
``labelsTr/CASE.nii.gz`` its segmentation; dataset.json names the channels.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from medsynth.data.importing.folder_items import add_folder
from medsynth.data.importing.image_items import FoundImages, ImportRequest
from medsynth.data.importing.layouts import own_table, read_json
from medsynth.reading import scan, stem

_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
CASES = "nnU-Net's cases"


def nnunet_contents(place: Path, request: ImportRequest) -> FoundImages:
    """Return the images of an nnU-Net data set, each with its channel, case and segmentation."""
    found = FoundImages(place, "nnunet")
    channels = _channels(place, found)
    for part, split in (("Tr", "train"), ("Ts", "test")):
        if not (place / f"images{part}").is_dir():
            continue
        start = len(found.items)
        add_folder(found, place / f"images{part}", request, split=split)
        labels = place / f"labels{part}"
        masks = {stem(one.path.name): one.path for one in scan(labels).files} if labels.is_dir() else {}
        for index in range(start, len(found.items)):
            item = found.items[index]
            match = _CHANNEL.fullmatch(stem(item.path.name))
            case, number = (match["case"], match["channel"]) if match else (stem(item.path.name), "")
            found.items[index] = replace(
                item,
                kind=channels.get(int(number), f"channel {number}") if number else item.kind,
                masks=(masks[case],) if case in masks else item.masks,
                keys={**item.keys, "case": case, "channel": number},
                patient=item.patient or case,
                basis=item.basis or CASES,
            )
    own_table(place, found)
    return found


def _channels(place: Path, found: FoundImages) -> dict[int, str]:
    """Return the names of channels by their number."""
    path = place / "dataset.json"
    if not path.is_file():
        found.said.append("There is no dataset.json, so channels are called by their numbers.")
        return {}
    content = read_json(path)
    named = content.get("channel_names") or content.get("modality") or {}
    if not isinstance(named, dict):
        return {}
    return {int(number): str(name) for number, name in named.items() if str(number).isdecimal()}


def train_if_tested(found: FoundImages) -> None:
    """Let splits be drawn where no test image has a label: such a test would test nothing."""
    if found.layout != "nnunet" or not found.items:
        return
    if any(item.split == "test" and item.label for item in found.items):
        found.said.append("imagesTr are for training, imagesTs, which have labels, for the test.")
        return
    if any(item.split == "test" for item in found.items):
        found.said.append("No image of imagesTs has a label, so they count like those of imagesTr: splits are drawn.")
    found.items = [replace(item, split="") for item in found.items]
