"""The half of the application that needs medsynth only: from a folder of images and a bundle to a table."""

from __future__ import annotations

import csv
from pathlib import Path

import medsynth


def predict_folder(bundle: Path, images: Path, out: Path) -> Path:
    """Write ``predictions.csv`` with a row for each image or slice, and return its path.

    The bundle is judged first, as always: one that is neither trusted here nor found harmless is refused. A bundle in
    portable form is harmless, and its networks run in a confined process.

    Args:
        bundle: its folder or zip file.
        images: folder; every file in it must be an image that can be read.
        out: folder for the table; made if it is not there.

    Raises:
        medsynth.MedsynthError: says what is wrong with the bundle or an image, and what to do.
    """
    files = sorted(path for path in images.rglob("*") if path.is_file())
    found = medsynth.load(bundle).predict(files)
    out.mkdir(parents=True, exist_ok=True)
    table, part = out / "predictions.csv", out / ".predictions.csv.part"
    with part.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(("image", "probability", "decision"))
        for name, probability, decision in zip(found.names, found.probabilities, found.decisions, strict=True):
            rows.writerow((name, f"{probability:.6f}", int(decision)))
    return part.replace(table)  # complete or absent
