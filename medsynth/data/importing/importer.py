"""`medsynth data import`: from one or two places with images to a new folder with a manifest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.base.files import new_folder
from medsynth.data.images import Record
from medsynth.data.importing.bids import bids_contents
from medsynth.data.importing.class_labels import label_by_folders, resolve_labels, unknown_sources
from medsynth.data.importing.dividing import divide
from medsynth.data.importing.folder_items import (
    domain_contents,
    folder_contents,
    images,
    manifest_contents,
    tally,
)
from medsynth.data.importing.image_items import FoundImages, ImageItem, ImportRequest
from medsynth.data.importing.label_table import label_by_table
from medsynth.data.importing.layouts import LAYOUTS, recognize_layout
from medsynth.data.importing.mask_labels import label_by_masks
from medsynth.data.importing.medmnist import medmnist_contents
from medsynth.data.importing.naming import with_patients, writable
from medsynth.data.importing.nnunet import nnunet_contents, train_if_tested
from medsynth.data.listing.examination import counted
from medsynth.data.listing.image_table import write_manifest
from medsynth.data.listing.paths import relative
from medsynth.data.listing.patients import pattern_problems
from medsynth.data.problems import refuse

_LABELS = {"1": "positive", "0": "negative", "": "unknown"}
_SPLITS = {"train": "train", "val": "val", "test": "test", "": "to draw"}
_COLUMNS = ("patients", "images", *_LABELS.values())


@dataclass(frozen=True)
class Imported:
    """What an import has found, assumed and written.

    Args:
        manifest: path of what was written; empty after a dry run.
        said: what was found and assumed, one sentence each.
        counts: a row per domain: images by label, patients, and images by split.
        left_out: how many files and folders were not used, by reason.
        missing: what a run will need besides: ``data.source_label``, or nothing.
    """

    manifest: str
    said: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, int]
    missing: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists for JSON."""
        return {"schema": 1, **asdict(self), "said": list(self.said)}


def import_images(request: ImportRequest, out: Path | None) -> Imported:
    """Recognize what lies in one or two places, and write the folder `out` with ``manifest.csv``.

    Images stay where they are, but for those of MedMNIST files, which are written into the folder.

    Args:
        request: what is imported.
        out: new folder; None to write nothing.

    Raises:
        InputError: what lies there is unknown, ambiguous or unusable, or `out` is not empty. Nothing is written.
        RunError: it could not be written.
    """
    refuse(pattern_problems(request.patient_pattern))
    if request.source_label not in ("", "0", "1"):
        raise InputError(f"--source-label {request.source_label!r} is neither 1 nor 0", hint="Choose one of them.")
    if out is not None:
        out = _new(out)
    places = _places(request)
    said = [text for found in places for text in (_recognized(found), *found.said)]
    said += _label(places, request)
    items, patients = with_patients([item for found in places for item in found.items])
    said += patients
    items, unwritable = writable(items)
    left_out = [*(one for found in places for one in found.left_out), *unwritable]
    if request.source_label and (unknown := unknown_sources(items)):
        said.append(f"{unknown:,} source images have the label {request.source_label} as --source-label says.")
        items = [_with_source_label(item, request.source_label) for item in items]
    if out is not None:
        _write(out, items, places)
    return Imported(
        manifest=str(out / "manifest.csv") if out else "",
        said=tuple(said),
        counts=_counts(items),
        left_out=dict(Counter(one.reason for one in left_out).most_common()),
        missing="data.source_label" if unknown_sources(items) else "",
    )


def _label(places: Sequence[FoundImages], request: ImportRequest) -> list[str]:
    """Give all images their labels, from masks, a table or folders, and say how."""
    told = [len(found.said) for found in places]
    said = label_by_masks(places, request) + label_by_table(places, request)
    label_by_folders(places, request)
    said += resolve_labels(places, request)
    for found in places:
        train_if_tested(found)
    return [*said, *(text for found, before in zip(places, told, strict=True) for text in found.said[before:])]


def _new(out: Path) -> Path:
    """Return where to write, with links resolved, so that paths in the manifest lead out of it rightly."""
    place = out.expanduser().resolve()
    count = len(list(place.iterdir())) if place.is_dir() else 0
    if place.is_file() or count:
        held = f"is not empty: it holds {count} files and folders" if count else "is a file"
        raise InputError(f"--out {out} {held}", hint="Choose a new folder; an import changes nothing that is there.")
    return place


def _places(request: ImportRequest) -> list[FoundImages]:
    """Return what one or two places hold, every image with its domain."""
    if request.target is None:
        found = _contents(request.source, request, "")
        divide(found, request)
        return [found]
    if request.source.resolve() == request.target.resolve():
        hint = "Name it once, and tell its images apart with --source-series and --target-series."
        raise InputError(f"{request.source} is both source and target", hint=hint)
    places = []
    for place, role in ((request.source, "source"), (request.target, "target")):
        found = _contents(place, request, role)
        divide(found, request, role)
        # files of the same name in two places are nobody's twins
        found.items = [replace(item, otherwise=f"{role}/{item.otherwise}") for item in found.items]
        places.append(found)
    return places


def _contents(place: Path, request: ImportRequest, role: str) -> FoundImages:
    place = place.expanduser()
    layout = recognize_layout(place, request.layout, alone=request.target is None)
    readers = {
        "manifest": manifest_contents,
        "nnunet": nnunet_contents,
        "bids": bids_contents,
        "folder": folder_contents,
    }
    if layout == "medmnist":
        found = medmnist_contents(place, request, f"images/{role}-{place.stem}".replace("/-", "/"))
    elif layout in readers:
        found = readers[layout](place, request)
    else:
        found = domain_contents(place, request, layout)
    if not found.items and not found.problems:
        seen = counted(found.left_out) or "nothing"
        known = ", ".join(f"{name} ({words})" for name, words in LAYOUTS.items())
        hint = f"Name a folder or file with images; layouts: {known}."
        raise InputError(f"{place} holds no images that can be imported; seen: {seen}", hint=hint)
    refuse(found.problems)
    return found


def _recognized(found: FoundImages) -> str:
    domains = Counter(item.domain for item in found.items)
    taken = " and ".join(f"{images(count)} as {domain}" for domain, count in domains.items())
    kinds = tally(item.kind for item in found.items if item.kind)
    tree = found.layout == "folder" and all(item.series for item in found.items)
    what = "a DICOM tree" if tree else LAYOUTS[found.layout]
    return f"{found.place} is {what}; taken: {taken}{f', of these kinds: {kinds}' if kinds else ''}."


def _with_source_label(item: ImageItem, label: str) -> ImageItem:
    return replace(item, label=label) if item.domain == "source" and not item.label else item


def _write(out: Path, items: Sequence[ImageItem], places: Sequence[FoundImages]) -> None:
    with new_folder(out) as partial:
        for found in places:
            if found.write:
                found.write(partial)
        write_manifest(_records(items, out), partial / "manifest.csv")


def _records(items: Sequence[ImageItem], out: Path) -> list[Record]:
    """Return the rows of the manifest in `out`, to whose folder all paths are relative."""

    def inside(path: Path, written: bool) -> str:
        return path.as_posix() if written else relative(path.absolute(), out)

    names = {item.path: inside(item.path, item.written) for item in items}
    return [
        Record(
            image=names[item.path],
            domain=item.domain,
            label=int(item.label) if item.label else None,
            patient=item.patient,
            split=item.split,
            pair=names.get(item.pair, "") if item.pair else "",
            slice=item.slice,
            extra=item.extra,
        )
        for item in items
    ]


def _counts(items: Sequence[ImageItem]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    patients: dict[str, set[str]] = defaultdict(set)
    for item in items:
        row = counts.setdefault(item.domain, dict.fromkeys((*_COLUMNS, *_SPLITS.values()), 0))
        row["images"] += 1
        row[_LABELS[item.label]] += 1
        patients[item.domain].add(item.patient)
        row["patients"] = len(patients[item.domain])
        row[_SPLITS[item.split]] += 1
    return counts
