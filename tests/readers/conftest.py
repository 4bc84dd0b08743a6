"""A finished run of random pixels, and readers who answer without a browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from medsynth.base.seals import finish, sealed
from medsynth.data.images import Record
from medsynth.data.listing.image_table import write_manifest
from medsynth.data.png import to_bytes
from medsynth.readers import ReadingStudy
from medsynth.readers.answers import COLUMNS, checksum

REAL, SYNTHETIC, SIZE = 12, 10, 64


def _records(folder: str, number: int, domain: str) -> list[Record]:
    return [
        Record(f"{folder}/clinic-{k:02}.png", domain, k % 2, f"{domain}-patient-{k:02}", "test") for k in range(number)
    ]


def _pixels(number: int, seed: int) -> np.ndarray:
    """Return images whose compressed files would differ much in size: the higher the number, the smoother."""
    noise = np.random.default_rng(seed).uniform(-1, 1, (number, 1, SIZE, SIZE)).astype(np.float32)
    noise *= np.linspace(1, 0.1, number, dtype=np.float32)[:, None, None, None]
    return to_bytes(noise) / np.float32(127.5) - np.float32(1)


def write_run(folder: Path, *, neighbors: int = 0) -> Path:
    """Write what the commands need of a run: plan, record, data and translations."""
    data, translated = folder / "data", folder / "evaluation" / "translated"
    for path in (data, translated):
        path.mkdir(parents=True)
    (folder / "plan.toml").write_text(f'[data]\npositive = "invasion"\nneighbors = {neighbors}\n')
    (folder / "run.json").write_text(sealed({"schema": 1}))
    train = Record("ward/clinic-99.png", "target", 1, "target-patient-99", "train")
    write_manifest([train, *_records("ward", REAL, "target")], data / "manifest.csv")
    stacks = [_pixels(REAL + 1, 1 + part) for part in range(2 * neighbors + 1)]
    np.save(data / "pixels-0.npy", np.concatenate(stacks, axis=1))
    write_manifest(_records("images", SYNTHETIC, "target"), translated / "manifest.csv")
    np.save(translated / "pixels.npy", _pixels(SYNTHETIC, 2))
    finish(data)
    finish(translated)
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run")


Answer = Callable[..., Path]


@pytest.fixture
def answer(tmp_path) -> Answer:
    """Write what a page would save: a reader's decisions on the names of images, in the reader's order."""

    def write(
        study: ReadingStudy,
        reader: str,
        decide: Callable[[str, int], int],
        *,
        group: str = "",
        number: int | None = None,
    ) -> Path:
        order = list(study.orders[reader])[:number]
        rows: list[Sequence[object]] = []
        for position, image in enumerate(order, start=1):
            decision = decide(study.names[image], order[: position - 1].count(image))
            confidence = 50 + (10 if decision else -10) * (1 + position % 5)
            fields = (study.name, study.task, reader, group, position, image, decision, confidence, "2.5", len(order))
            rows.append(fields)
        lines = [",".join(map(str, row)) for row in rows]
        path = tmp_path / f"{study.name}-{reader}.csv"
        path.write_text("\n".join([",".join(COLUMNS), *(f"{line},{checksum(line)}" for line in lines)]) + "\n")
        return path

    return write
