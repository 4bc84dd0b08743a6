"""The phantom: a data set with known truth, drawn from a seed.

MRI of one group of patients is the source, ultrasound of another group the target. The true ultrasound of
every MRI patient is there too, as domain ``oracle``: for scoring, and for the row that shows the best that
synthesis could do.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medsynth.base.files import csv_text, new_folder, write_text
from medsynth.data.phantom.anatomy import Anatomy, draw_anatomy
from medsynth.data.phantom.rendering import render_mri, render_ultrasound, tissue_mask

COLUMNS = ("image", "domain", "label", "patient", "split", "pair", "depth", "mask")
VALIDATION_SHARE = 8
"""One in this many patients of a class is a validation patient."""
VALIDATION_LEAST = 8
"""Validation patients of a class, where it has at least twice as many."""


@dataclass(frozen=True)
class _Patient:
    number: int
    domain: str
    label: int
    split: str

    @property
    def name(self) -> str:
        return f"P{self.number:05}"


def write_phantom(
    folder: Path,
    *,
    source: int,
    negative: int,
    positive: int,
    test: int,
    test_source: int | None = None,
    size: int,
    seed: int,
) -> Path:
    """Write images, tissue masks and manifest.csv; identical bytes for identical arguments.

    Args:
        folder: is created complete or not at all.
        source: MRI patients for training and validation, every second one positive; one image each.
        negative, positive: ultrasound patients for training and validation.
        test: further ultrasound patients per class, held out.
        test_source: further MRI patients per class, held out; None = as many.
        size: height and width in pixels.
        seed: decides everything.

    Returns:
        The manifest. Its column ``depth`` holds the invaded share of the myometrium, ``mask`` a PNG whose values
        are those of `medsynth.data.phantom.anatomy.Tissue`.
    """
    with new_folder(folder) as new:
        (new / "images").mkdir()
        (new / "masks").mkdir()
        patients = _patients(source, negative, positive, test, test if test_source is None else test_source)
        rows = (row for patient in patients for row in _write_patient(new, patient, size, seed))
        write_text(new / "manifest.csv", csv_text([COLUMNS, *([row[name] for name in COLUMNS] for row in rows)]))
    return folder / "manifest.csv"


def draw_patient(number: int, label: int, seed: int) -> Anatomy:
    """Return the anatomy of patient `number`, which does not depend on how many others there are."""
    return draw_anatomy(_random(seed, number, "anatomy"), positive=bool(label))


def _random(seed: int, number: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng([seed, number, zlib.crc32(purpose.encode())])


def _patients(source: int, negative: int, positive: int, test: int, test_source: int) -> Iterator[_Patient]:
    groups = [
        ("source", 1, source // 2, False),
        ("source", 0, source - source // 2, False),
        ("target", 0, negative, False),
        ("target", 1, positive, False),
        *(
            (domain, label, count, True)
            for domain, count in (("source", test_source), ("target", test))
            for label in (1, 0)
        ),
    ]
    number = 0
    for domain, label, count, held_out in groups:
        validation = max(count // VALIDATION_SHARE, min(VALIDATION_LEAST, count // 2))
        for index in range(count):
            split = "test" if held_out else ("val" if index < validation else "train")
            number += 1
            yield _Patient(number, domain, label, split)


def _write_patient(folder: Path, patient: _Patient, size: int, seed: int) -> list[dict[str, object]]:
    anatomy = draw_patient(patient.number, patient.label, seed)
    mask = f"masks/{patient.name}.png"
    Image.fromarray(tissue_mask(anatomy, size).astype(np.uint8)).save(folder / mask)
    shared = {
        "label": patient.label,
        "patient": patient.name,
        "split": patient.split,
        "depth": f"{anatomy.depth:.4f}",
        "mask": mask,
    }
    mri, ultrasound = f"images/{patient.name}_mri.png", f"images/{patient.name}_us.png"
    rows: list[dict[str, object]] = []
    if patient.domain == "source":
        _save(folder / mri, render_mri(anatomy, size, _random(seed, patient.number, "mri")))
        rows.append({"image": mri, "domain": "source", "pair": ultrasound, **shared})
    _save(folder / ultrasound, render_ultrasound(anatomy, size, _random(seed, patient.number, "ultrasound")))
    domain = "oracle" if patient.domain == "source" else "target"
    rows.append({"image": ultrasound, "domain": domain, "pair": mri if domain == "oracle" else "", **shared})
    return rows


def _save(path: Path, image: np.ndarray) -> None:
    Image.fromarray(np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)).save(path)
