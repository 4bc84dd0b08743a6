"""Data and translations of runs, made of random pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.base.seals import finish
from medsynth.data.images import Record
from medsynth.data.listing.image_table import write_manifest
from medsynth.results.reading import RunResult

SIZE = 6


def write_images(
    folder: Path, records: list[Record], seed: int, *, name: str = "pixels.npy", channels: int = 1
) -> np.ndarray:
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(seed).uniform(-1, 1, (len(records), channels, SIZE, SIZE)).astype(np.float32)
    np.save(folder / name, pixels)
    write_manifest(records, folder / "manifest.csv")
    finish(folder)
    return pixels


def write_parts(
    folder: Path, *, sources: Sequence[str], neighbors: int = 0, made: int = 1, split: str = "test"
) -> tuple[np.ndarray, np.ndarray]:
    """Write a run's data and translations, slices of volumes; return their pixels."""
    records = [Record("t/9.png", "target", 1, "T9", "test")]
    for number, name in enumerate(sources):
        records.append(Record(f"s/{name}.nii", "source", number % 2, name, split, f"t/{name}.nii", number))
        records.append(Record(f"t/{name}.nii", "oracle", number % 2, name, split, f"s/{name}.nii", number))
    data = write_images(folder / "data", records, 1, name="pixels-0.npy", channels=2 * neighbors + 1)
    records = [Record(f"images/{name}.png", "target", 0, name, split) for name in sources]
    return data, write_images(folder / "evaluation/translated", records, made)


def write_run(folder: Path, *, neighbors: int = 0, **parts: Any) -> tuple[RunResult, np.ndarray, np.ndarray]:
    """Write what is read of a run; return it with the pixels of its data and of its translations."""
    pixels = write_parts(folder, neighbors=neighbors, **parts)
    return RunResult(folder, {"data": {"neighbors": neighbors}, "seeds": [1]}, {}), *pixels
