"""Images below a folder: pictures, volumes, DICOM trees; in class folders, patient folders or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from medsynth.data.importing.image_items import FoundImages, ImageItem, ImportRequest
from medsynth.data.importing.layouts import TABLES, own_table
from medsynth.data.listing.image_table import SPLITS, parse_manifest
from medsynth.data.listing.patients import named_patient, own_patient, pseudonym
from medsynth.data.listing.sources import CYCLEGAN
from medsynth.data.problems import Problem, problem_of
from medsynth.reading import Found, Scan, scan, stem
from medsynth.reading.leftovers import is_image_folder, is_mask_folder, without_mask_ending

DICOM, BIDS, PATTERN, FOLDERS, MANIFEST = (
    "the DICOM tag PatientID",
    "BIDS' sub-",
    "the pattern",
    "folders",
    "the manifest",
)
"""What names patients."""


def folder_contents(place: Path, request: ImportRequest) -> FoundImages:
    """Return the images of a folder, of one file, or of the folder of a table."""
    found = FoundImages(place, "folder")
    folder = place.parent if place.suffix.lower() in TABLES else place
    add_folder(found, folder, request)
    found.items = _with_splits(found.items, found.said)
    own_table(folder, found)
    if folder != place:
        found.table = place
    if any(item.series for item in found.items):
        found.said.append(_tree(item for item in found.items if item.series))
    return found


def domain_contents(place: Path, request: ImportRequest, layout: str) -> FoundImages:
    """Return the images of CycleGAN's folders, or of the folders source and target."""
    found = FoundImages(place, layout)
    parts = CYCLEGAN if layout == "cyclegan" else {"source": ("source", ""), "target": ("target", "")}
    for name, (domain, split) in parts.items():
        if (place / name).is_dir():
            add_folder(found, place / name, request, domain=domain, split=split)
    if layout == "cyclegan":
        found.said.append("A is taken as source, B as target, and the splits are those of the folders.")
    own_table(place, found)
    return found


def add_folder(
    found: FoundImages,
    folder: Path,
    request: ImportRequest,
    *,
    domain: str = "",
    split: str = "",
    skip: Sequence[Path] = (),
) -> None:
    """Search a folder and add what it holds, masks where labels come from them.

    All DICOM series are taken, to be chosen from later.
    """
    seen = scan(folder, series=None, skip=skip)
    found.left_out += seen.left_out
    found.problems += [problem_of(problem) for problem in seen.problems]
    base = folder if folder.is_dir() else folder.parent
    root = found.place if found.place.is_dir() else base
    masks = masks_of_images(seen) if request.label_from_mask else {}
    for one in seen.files:
        item = _item(one, base, root, request)
        found.items.append(replace(item, domain=domain, split=split, masks=tuple(masks.get(one.path, ()))))


def manifest_contents(place: Path, request: ImportRequest) -> FoundImages:
    """Return the images of a manifest, with everything that it says about them."""
    from medsynth.data.config import DataConfig

    path = place if place.is_file() else place / "manifest.csv"
    found = FoundImages(place, "manifest")
    table = parse_manifest(path, DataConfig(positive="".join(request.positive[:1])))
    found.problems += [
        Problem(
            one.message.replace("data.positive", "--positive"),
            one.hint.replace("--set data.positive=", "--positive ").replace("data.positive", "--positive"),
        )
        for one in table.problems
    ]
    for record in table.records:
        found.items.append(
            ImageItem(
                path=table.root / record.image,
                domain=record.domain,
                label="" if record.label is None else str(record.label),
                patient=record.patient,
                basis=MANIFEST,
                split=record.split,
                slice=record.slice,
                pair=table.root / record.pair if record.pair else None,
                keys=keys_of(Path(record.image)),
                extra=record.extra,
            )
        )
    return found


def keys_of(path: Path) -> dict[str, str]:
    """Return what a table may call an image, given by its path below the place."""
    name = path.name
    return {
        "path": path.as_posix(),
        "path without suffix": stem(path.as_posix()),
        "file name": name,
        "file name without suffix": stem(name),
    }


def masks_of_images(seen: Scan) -> dict[Path, list[Path]]:
    """Return the masks of each image: beside it, or under its name in a folder of masks beside that of images."""
    found = seen.masks()
    left_out = (one.path for one in seen.left_out)
    folders = [path for path in left_out if is_mask_folder(path.name, ["images"]) and path.is_dir()]
    parents = {folder.parent for folder in folders}
    by_name: dict[tuple[Path, str], list[Path]] = {}
    for one in seen.files:
        for parent in parents.intersection(one.path.parents):
            key = without_mask_ending(_below(one.path, parent))
            by_name.setdefault((parent, key), []).append(one.path)
    for folder in folders:
        for mask in scan(folder, series=None).files:
            key = without_mask_ending(_below(mask.path, folder.parent))
            for image in by_name.get((folder.parent, key), ()):
                found.setdefault(image, []).append(mask.path)
    return found


def _below(path: Path, parent: Path) -> str:
    """Return a path below the folder in `parent` that it lies in, without suffix, in lower case."""
    parts = path.relative_to(parent).parts
    return stem(PurePosixPath(*parts[1:]).as_posix()).casefold() if len(parts) > 1 else ""


def _item(one: Found, base: Path, root: Path, request: ImportRequest) -> ImageItem:
    """Return an image: folders that mean something are those below `base`, names start at `root`."""
    inside, header = one.path.relative_to(root), one.header
    name = inside.as_posix()
    folders = tuple(part for part in one.path.relative_to(base).parts[:-1] if not is_image_folder(part))
    patient, basis = "", ""
    if header is not None and header.patient:
        patient, basis = pseudonym(header.patient), DICOM
    elif patient := named_patient(name, request.patient_pattern):
        basis = BIDS if patient == named_patient(name, "") else PATTERN
    keys, kind, otherwise = keys_of(inside), folders[0] if folders else "", own_patient(name)
    if header is not None:
        otherwise = pseudonym(header.series or str(one.path.parent))
        kind = " ".join(filter(None, (header.modality, header.description))) or "DICOM"
        keys |= {
            "PatientID": header.patient,
            "SeriesInstanceUID": header.series,
            "StudyInstanceUID": header.study,
            "SOPInstanceUID": header.instance,
        }
    return ImageItem(
        path=one.path,
        kind=kind,
        folders=folders,
        patient=patient,
        basis=basis,
        otherwise=otherwise,
        series=one.series,
        keys=keys | {"folder": folders[0] if folders else "", "last folder": folders[-1] if folders else ""},
    )


def _with_splits(items: list[ImageItem], said: list[str]) -> list[ImageItem]:
    """Take the first folders as splits where all of them are called so."""
    names = {item.folders[0] if item.folders else "" for item in items}
    if len(names) < 2 or not all(SPLITS.get(name.casefold()) for name in names):
        return items
    said.append(f"The folders {', '.join(sorted(names))} are taken as splits.")
    moved = []
    for item in items:
        folders = item.folders[1:]
        kind = item.kind if item.series else (folders[0] if folders else "")
        keys = {**item.keys, "folder": folders[0] if folders else ""}
        moved.append(replace(item, split=SPLITS[item.folders[0].casefold()], folders=folders, kind=kind, keys=keys))
    return moved


def _tree(items: Iterable[ImageItem]) -> str:
    """Say how many patients, studies and series a DICOM tree holds."""
    headers = [item.series.first for item in items if item.series]
    parts = (
        ("patient", {header.patient for header in headers}),
        ("study", {(header.patient, header.study) for header in headers}),
        ("series", {(header.patient, header.study, header.series or header.path.parent) for header in headers}),
    )
    plural = {"patient": "patients", "study": "studies", "series": "series"}
    counted = [f"{len(found):,} {name if len(found) == 1 else plural[name]}" for name, found in parts]
    return f"DICOM: {', '.join(counted)} in {len(headers):,} {'file' if len(headers) == 1 else 'files'}."


def tally(names: Iterable[str]) -> str:
    """Return names with how often they come, the most frequent first."""
    common = Counter(names).most_common()
    return ", ".join(f"{name or 'no name'} ({count:,})" for name, count in common)


def images(count: int) -> str:
    """Return a number of images in words: ``1 image``."""
    return f"{count:,} {'image' if count == 1 else 'images'}"
