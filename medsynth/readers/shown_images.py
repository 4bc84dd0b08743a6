"""Which images of a run readers look at."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from medsynth.base.errors import InputError
from medsynth.base.seals import is_finished
from medsynth.base.seeds import derive_seed
from medsynth.data.png import to_bytes
from medsynth.results.run_images import TRANSLATED, RunImages, images_in, name_of
from medsynth.results.run_record import PLAN, read_record

DIAGNOSE, REAL_OR_SYNTHETIC = "diagnose", "real-or-synthetic"
TASKS = (DIAGNOSE, REAL_OR_SYNTHETIC)


@dataclass(frozen=True)
class ShownImage:
    """One image that readers look at.

    Args:
        name: as the run calls it: a test image as in ``predictions-*.csv``, a synthetic one by its path in the run.
        truth: 1 if it is positive, or synthetic; else 0.
        pixels: (C, H, W) uint8, C being 1 or 3.
    """

    name: str
    truth: int
    pixels: np.ndarray


def images_of_run(folder: Path, task: str) -> list[ShownImage]:
    """Return the labeled real test images of a run, or all real test images and the synthetic ones of its evaluation.

    All are what the networks see: read, cut and resized as in the run, with 8-bit values.

    Args:
        folder: of the run.
        task: one of `TASKS`.

    Raises:
        InputError: a part of the run is missing or not as it was written, or it holds no such images.
    """
    read_record(folder)
    neighbors = int(_plan(folder).get("data", {}).get("neighbors", 0))
    real = _test_images(images_in(_finished(folder, "data"), neighbors))
    if task == DIAGNOSE:
        shown = [ShownImage(name_of(row), int(row["label"]), image) for row, image in real if row["label"]]
        if {image.truth for image in shown} != {0, 1}:
            raise InputError(f"{folder} has no positive or no negative test images", hint="There is nothing to tell.")
        return shown
    if (seeds := folder / "seeds").is_dir():
        raise InputError(
            f"{seeds} holds several trainings, each with synthetic images of its own",
            hint="Let readers look at a run of one seed.",
        )
    made = images_in(_finished(folder, TRANSLATED))
    return [
        *(ShownImage(name_of(row), 0, image) for row, image in real),
        *(ShownImage(f"{TRANSLATED}/{name_of(row)}", 1, to_bytes(made[k])) for k, row in enumerate(made.rows)),
    ]


def positive_class(folder: Path) -> str:
    """Return what the plan of a run calls the positive class."""
    return str(_plan(folder).get("data", {}).get("positive") or "positive")


def choose_images(images: Sequence[ShownImage], count: int, *, equal: bool, seed: int) -> list[ShownImage]:
    """Draw images, the same for the same seed.

    Args:
        images: to choose from.
        count: how many; 0 = as many as possible.
        equal: as many of one truth as of the other, so that guessing is right half of the time; otherwise each has its
            share.
        seed: of the draw.

    Raises:
        InputError: there are not so many images.
    """
    sides = [[image for image in images if image.truth == truth] for truth in (0, 1)]
    most = 2 * min(map(len, sides)) if equal else len(images)
    if count > most:
        raise InputError(f"--images {count} are more than the {most} that the run can give", hint="Take fewer, or 0.")
    count = count or most
    first = count // 2 if equal else round(count * len(sides[0]) / len(images))
    # None of a class would leave nothing to tell apart.
    first = min(max(first, 1), max(count - 1, 1))
    numbers = (first, first if equal else count - first)
    drawn = [
        Random(derive_seed(seed, "reading", truth)).sample(sorted(side, key=lambda image: image.name), number)
        for truth, (side, number) in enumerate(zip(sides, numbers, strict=True))
    ]
    return drawn[0] + drawn[1]


def _finished(folder: Path, part: str) -> Path:
    if not is_finished(folder / part):
        raise InputError(
            f"{folder / part} is missing or unfinished",
            hint="Readers need a finished run: continue it with --resume, or name another one.",
        )
    return folder / part


def _plan(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / PLAN} cannot be read: {error}", hint="Restore it from a copy.") from None


def _test_images(data: RunImages) -> list[tuple[dict[str, str], np.ndarray]]:
    test = [number for number, row in enumerate(data.rows) if (row["domain"], row["split"]) == ("target", "test")]
    return [(data.rows[number], to_bytes(data[number])) for number in test]
