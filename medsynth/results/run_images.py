"""Images of finished runs, as their networks saw and made them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from medsynth.base.seals import check, is_finished
from medsynth.data.formats.stacks import Stacks
from medsynth.results.reading import RunResult

MANIFEST = "manifest.csv"
TRANSLATED = "evaluation/translated"
"""Folder of a run with the translations of its held-out source images."""


@dataclass(frozen=True)
class RunImages:
    """Prepared or translated images of a run.

    Args:
        rows: of their manifest.
        pixels: one per row, (N, C, H, W) in [-1, 1], a memory map; with neighbors stacks of slices.
        neighbors: slices on either side in a stack.
    """

    rows: list[dict[str, str]]
    pixels: np.ndarray
    neighbors: int = 0

    def __getitem__(self, number: int) -> np.ndarray:
        """Return a copy of one image, (C, H, W), without its neighbors."""
        return np.array(Stacks(self.neighbors).part(self.pixels[number], self.neighbors))


@dataclass(frozen=True, kw_only=True)
class Translations:
    """One held-out source image with what runs made of it; arrays are (C, H, W) in [-1, 1].

    Args:
        source: before translation.
        made: translations, by the label of the run.
        truth: the true counterpart, or None where it is not known.
        label: 1 positive, 0 negative, None unknown.
    """

    source: np.ndarray
    made: Mapping[str, np.ndarray]
    truth: np.ndarray | None
    label: int | None


def images_in(folder: Path, neighbors: int = 0) -> RunImages:
    """Return the images of a sealed folder of a run; the files that they were made of need not be there any more.

    Args:
        folder: ``data`` or one with translations.
        neighbors: of the run's plan for ``data``; translations are single slices.

    Raises:
        InputError: a file is not as the run wrote it.
    """
    (name,) = (name for name in check(folder, [MANIFEST])["files"] if name.startswith("pixels"))
    check(folder, [name])
    return RunImages(_rows(folder), np.load(folder / name, mmap_mode="r"), neighbors)


def _rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a manifest that was checked."""
    with (folder / MANIFEST).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def name_of(row: Mapping[str, str]) -> str:
    """Return what a run calls the image of a manifest's row."""
    return f"{row['image']}#{row['slice']}" if row.get("slice") else row["image"]


def translations_of(results: Mapping[str, RunResult], most: int) -> list[Translations]:
    """Put what several runs made of the same held-out source images beside each other.

    Args:
        results: runs of one training by label. Those whose images are no longer there are left out, as are those that
            made the same images as an earlier one.
        most: images, evenly spread over all that every run translated.

    Raises:
        InputError: a file is not as a run wrote it.
    """
    found = [_Translated(label, *folders, one) for label, one in results.items() if (folders := _folders(one))]
    common = [name for name in found[0].places if all(name in one.places for one in found)] if found else []
    chosen = [common[k] for k in np.unique(np.linspace(0, len(common) - 1, min(most, len(common))).round().astype(int))]
    shown: dict[str, list[np.ndarray]] = {}
    for one in found:
        images = [one.images[one.places[name]] for name in chosen]
        if not any(all(map(np.array_equal, images, other)) for other in shown.values()):
            shown[one.label] = images
    return [
        found[0].beside(name, {label: images[k] for label, images in shown.items()}) for k, name in enumerate(chosen)
    ]


@dataclass(frozen=True)
class _Translated:
    """Translations of a run: they are in the order of the held-out source images in its data."""

    label: str
    data: Path
    translated: Path
    result: RunResult

    @cached_property
    def images(self) -> RunImages:
        return images_in(self.translated)

    @cached_property
    def places(self) -> dict[str, int]:
        check(self.data, [MANIFEST])
        source = [row for row in _rows(self.data) if row["domain"] == "source"]
        held_out = [row for row in source if row["split"] == "test"] or [r for r in source if r["split"] == "train"]
        return {name_of(row): number for number, row in enumerate(held_out)}

    @cached_property
    def prepared(self) -> RunImages:
        return images_in(self.data, int(self.result.plan["data"]["neighbors"]))

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {name_of(row): number for number, row in enumerate(self.prepared.rows)}

    def beside(self, name: str, made: Mapping[str, np.ndarray]) -> Translations:
        """Return a source image and its counterpart beside what was made of it."""
        row = self.prepared.rows[self.numbers[name]]
        pair = self.numbers.get(name_of({**row, "image": row["pair"]}))
        return Translations(
            source=self.prepared[self.numbers[name]],
            made=made,
            truth=None if pair is None else self.prepared[pair],
            label=int(row["label"]) if row["label"] else None,
        )


def _folders(result: RunResult) -> tuple[Path, Path] | None:
    """Return the folders of prepared and of translated images of a run or of one of its seeds; None if one is gone."""
    root = result.folder if (result.folder / "data").exists() else result.folder.parents[1]
    folders = (root / "data", result.folder / TRANSLATED)
    return folders if all(map(is_finished, folders)) else None
