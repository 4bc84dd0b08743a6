"""Small data sets in each layout, with what is true of every image of them by its path below the data set."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medsynth.data.importing.image_items import ImportRequest
from medsynth.data.importing.importer import Imported, import_images
from medsynth.data.listing.patients import pseudonym
from tests.data.conftest import write_dicom

SIZE = 32
LABELS = ("1", "0", "1", "0", "1", "0")
"""Of the target patients of every data set: three of each class, so that every split gets both."""


@dataclass
class Layout:
    """A data set on disk.

    Args:
        request: what is asked for.
        rows: what the manifest must say: (image as it lies in the data set, slice) to (domain, label, patient, split).
        options: further ones of the run.
    """

    request: ImportRequest
    rows: dict[tuple[str, str], tuple[str, str, str, str]]
    options: Sequence[str] = field(default_factory=list)


def noise(seed: int, shape: tuple[int, ...] = (SIZE, SIZE)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8)


def picture(path: Path, seed: int, values: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed) if values is None else values).save(path)
    return path


def volume(path: Path, seed: int, values: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = noise(seed, (SIZE, SIZE, 2)) if values is None else values
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, -1.0, 3.0, 1.0])), path)
    return path


def lesion(label: str, seed: int) -> np.ndarray:
    """A mask of a volume of two slices, of which the second holds a lesion where the label is 1."""
    mask = np.zeros((SIZE, SIZE, 2), np.uint8)
    mask[4:9, 5 : 7 + seed % 3, 1] = int(label)
    return mask


def table(path: Path, rows: Sequence[Sequence[str]], mark: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=mark).writerows(rows)
    return path


# ---------------------------------------------------------------- the layouts


def bids(root: Path) -> Layout:
    """Two kinds of images per subject, a column of labels in participants.tsv, and derivatives beside."""
    rows = {}
    for k, label in enumerate(LABELS):
        for kind, domain in (("T1w", "source"), ("FLAIR", "target")):
            name = f"sub-{k:02}/ses-1/anat/sub-{k:02}_ses-1_{kind}.nii.gz"
            volume(root / name, 2 * k + (kind == "FLAIR"))
            rows[name, ""] = (domain, label, f"sub-{k:02}", "")
    volume(root / "derivatives" / "sub-00" / "sub-00_desc-preproc_T1w.nii.gz", 99)
    (root / "dataset_description.json").write_text('{"Name": "toy", "BIDSVersion": "1.10.0"}')
    findings = [("participant_id", "age", "finding")]
    findings += [(f"sub-{k:02}", "50", "tumor" if label == "1" else "none") for k, label in enumerate(LABELS)]
    table(root / "participants.tsv", findings, "\t")
    request = ImportRequest(
        source=root, source_series="T1w", target_series="FLAIR", label="finding", positive=("tumor",)
    )
    return Layout(request, rows)


def dicom(root: Path) -> Layout:
    """A tree of patients with a study of two modalities each, and localizers."""
    rows, patients = {}, [f"MRN{k}" for k in range(6)]
    for k, label in enumerate(LABELS):
        for number, (modality, text) in enumerate((("MR", "t2_tse_tra"), ("US", "b-mode"), ("MR", "localizer"))):
            folder = f"patient{k}/study/{number}"
            for place in range(2 if number < 2 else 1):
                name = f"{folder}/{place}.dcm"
                tags = {"PatientID": patients[k], "StudyInstanceUID": f"1.2.{k}", "Modality": modality}
                write_dicom(
                    root / name,
                    noise(100 * k + 10 * number + place, (1, SIZE, SIZE)),
                    series=f"1.2.{k}.{number}",
                    number=place + 1,
                    SeriesDescription=text,
                    **tags,
                )
                if number < 2:
                    domain = "source" if number == 0 else "target"
                    rows[name, ""] = (domain, label, pseudonym(patients[k]), "")
    labels = table(
        root.parent / "clinical.csv", [("mrn", "invasion"), *((f"MRN{k}", label) for k, label in enumerate(LABELS))]
    )
    request = ImportRequest(
        source=root, source_series="t2*tra*", target_series="modality=US", labels=labels, label="invasion"
    )
    return Layout(request, rows)


def nnunet(root: Path) -> Layout:
    """Two channels, masks of the training cases of which every second is empty, and test cases without masks."""
    rows = {}
    for k, label in enumerate((*LABELS, "", "")):
        part, case = ("Tr", f"case_{k:03}") if label else ("Ts", f"case_{k:03}")
        for channel, domain in ((0, "source"), (1, "target")):
            name = f"images{part}/{case}_{channel:04}.nii.gz"
            volume(root / name, 2 * k + channel)
            if not label:
                rows[name, ""] = (domain, "", case, "")
                continue
            for place in range(2):
                rows[name, str(place)] = (domain, label if place else "0", case, "")
        if label:
            volume(root / "labelsTr" / f"{case}.nii.gz", 0, lesion(label, k))
    (root / "dataset.json").write_text(json.dumps({"channel_names": {"0": "T1", "1": "T2"}, "file_ending": ".nii.gz"}))
    request = ImportRequest(source=root, source_series="T1", target_series="t2", label_from_mask=True)
    return Layout(request, rows, ["data.source_label=0"])


def medmnist(root: Path) -> Layout:
    """An archive as target, of three classes of which one is positive, and a folder of pictures as source."""
    arrays, rows = {}, {}
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        arrays[f"{split}_images"] = np.stack([noise(1000 + 10 * len(split) + k, (28, 28)) for k in range(count)])
        arrays[f"{split}_labels"] = (np.arange(count) % 3)[:, None].astype(np.uint8)
        for k in range(count):
            name = f"{split}-{k:06}"
            rows[f"images/target-toymnist/{name}.png", ""] = ("target", str(int(k % 3 == 2)), f"target/{name}", split)
    (root / "npz").mkdir(parents=True)
    np.savez_compressed(root / "npz" / "toymnist.npz", **arrays)
    for k in range(6):
        picture(root / "mr" / f"p{k}" / "a.png", k)
        rows[f"mr/p{k}/a.png", ""] = ("source", "1", f"p{k}", "")
    request = ImportRequest(source=root / "mr", target=root / "npz" / "toymnist.npz", positive=("2",), source_label="1")
    return Layout(request, rows)


def labels_beside(root: Path) -> Layout:
    """Folders of pictures of either domain, and a table of labels, splits and patients parted by semicolons."""
    rows, lines = {}, [("Bild", "Befund", "patient", "split")]
    splits = ("train", "train", "val", "val", "test", "test")
    for k, label in enumerate(LABELS):
        for domain, folder in (("source", "mr"), ("target", "us")):
            name = f"{folder}/{domain}{k}.png"
            picture(root / name, 2 * k + (domain == "target"))
            lines.append((f"{domain}{k}.png", "krank" if label == "1" else "gesund", f"{domain}-{k}", splits[k]))
            rows[name, ""] = (domain, label, f"{domain}-{k}", splits[k])
    mask = noise(5) * 0
    mask[4, 4] = 255
    picture(root / "us" / "target0_mask.png", 0, mask)
    labels = table(root / "befunde.csv", lines, ";")
    request = ImportRequest(
        source=root / "mr",
        target=root / "us",
        labels=labels,
        join="Bild",
        label="Befund",
        positive=("krank",),
    )
    return Layout(request, rows)


def cyclegan(root: Path) -> Layout:
    """The four folders, with class folders in those of the target."""
    rows = {}
    for split, count in (("train", 4), ("test", 2)):
        for k in range(count):
            picture(root / f"{split}A" / f"{split}{k}.png", 10 * k + len(split))
            rows[f"{split}A/{split}{k}.png", ""] = ("source", "0", f"{split}A/{split}{k}", split)
            for label, name in (("1", "ill"), ("0", "well")):
                picture(root / f"{split}B" / name / f"{k}.png", 300 + 40 * k + 10 * len(split) + int(label))
                rows[f"{split}B/{name}/{k}.png", ""] = ("target", label, f"{split}B/{name}/{k}", split)
    return Layout(ImportRequest(source=root, positive=("ill",), source_label="0"), rows)


def classes(root: Path) -> Layout:
    """Class folders of target images with masks beside them, three classes, and source images of patients."""
    rows = {}
    for k in range(6):
        picture(root / "target" / ("benign", "malignant")[k % 2] / f"{k}.png", k)
        rows[f"target/{('benign', 'malignant')[k % 2]}/{k}.png", ""] = ("target", str(k % 2), "", "")
        mask = noise(k) * 0
        mask[:4] = 255
        picture(root / "target" / ("benign", "malignant")[k % 2] / f"{k}_mask.png", 0, mask)
        picture(root / "target" / "normal" / f"{k}.png", 50 + k)
        rows[f"target/normal/{k}.png", ""] = ("target", "0", "", "")
        picture(root / "source" / f"p{k // 2}" / f"{k}.png", 70 + k)
        rows[f"source/p{k // 2}/{k}.png", ""] = ("source", "1", f"p{k // 2}", "")
    rows = {
        key: (domain, label, patient or key[0].removesuffix(".png"), split)
        for key, (domain, label, patient, split) in rows.items()
    }
    request = ImportRequest(source=root, positive=("malignant",), source_label="1")
    return Layout(request, rows)


def volumes(root: Path) -> Layout:
    """Two folders of volumes in one, told apart by their names, with a mask beside each target volume."""
    rows = {}
    for k, label in enumerate(LABELS):
        volume(root / "ct" / f"P{k}_ct.nii.gz", k)
        rows[f"ct/P{k}_ct.nii.gz", ""] = ("source", "0", f"P{k}", "")
        volume(root / "mr" / f"P{k}_mr.nii.gz", 20 + k)
        volume(root / "mr" / f"P{k}_mr_seg.nii.gz", 0, lesion(label, k))
        for place in range(2):
            rows[f"mr/P{k}_mr.nii.gz", str(place)] = ("target", label if place else "0", f"P{k}", "")
    request = ImportRequest(
        source=root,
        source_series="ct",
        target_series="mr",
        label_from_mask=True,
        source_label="0",
        patient_pattern=r"(P\d)_",
    )
    return Layout(request, rows)


LAYOUTS = {made.__name__: made for made in (bids, dicom, nnunet, medmnist, labels_beside, cyclegan, classes, volumes)}


# ---------------------------------------------------------------- fixtures


@dataclass
class Case:
    """A data set and its import."""

    root: Path
    out: Path
    layout: Layout
    imported: Imported


@pytest.fixture(scope="session")
def imported_case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """Make and import each layout once."""
    known: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in known:
            root = tmp_path_factory.mktemp(name) / "data"
            layout, out = LAYOUTS[name](root), root.parent / "imported"
            known[name] = Case(root, out, layout, import_images(layout.request, out))
        return known[name]

    return case


@pytest.fixture
def rows() -> Callable[[Path], Iterator[dict[str, str]]]:
    """Read a manifest without medsynth."""
    return lambda out: csv.DictReader((out / "manifest.csv").read_text().splitlines())
