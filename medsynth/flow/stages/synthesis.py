"""The stage that translates source images and keeps them as files with provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from medsynth.api import Generator
from medsynth.base.files import csv_text, new_folder, write_text
from medsynth.base.progress import Watch
from medsynth.base.seals import check, finish, is_finished
from medsynth.base.stopping import Stop
from medsynth.data.cache import new_map
from medsynth.data.formats.stacks import Place, Stacks
from medsynth.data.images import Images, Record
from medsynth.data.png import png, to_bytes
from medsynth.data.preparing import Data
from medsynth.flow.folder.runs import SeedRun
from medsynth.flow.stages.building import policy_of
from medsynth.flow.stages.prepare import listed_name
from medsynth.training.devices import Policy
from medsynth.training.processes import leader_first

COLUMNS = ("image", "domain", "label", "patient", "split", "pair", "source", "generator")
BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Translation:
    """What is to be translated, and how.

    Args:
        generator: trained.
        name: of the generator plugin, for provenance.
        source: the images, maybe with neighbors.
        smooth: average the translations of a slice in all stacks that hold it.
        origins: by which each image is found again, for provenance.
        policy: device to compute on.
        watch, stop: progress and interruption.
    """

    generator: Generator
    name: str
    source: Images
    origins: Sequence[str]
    policy: Policy
    watch: Watch
    stop: Stop
    smooth: bool = False


def synthesize(job: Translation, folder: Path) -> Images:
    """Translate into `folder` (images, manifest.csv, pixels.npy), once and sealed; return the translations.

    What later stages read is what the PNG files hold: 8-bit values, mapped back to [-1, 1].
    """
    if not is_finished(folder):
        with new_folder(folder) as new:
            _write(job, new)
            finish(new)
    return load(job.source, folder)


def load(source: Images, folder: Path) -> Images:
    """Return the finished translations of `source` in `folder`.

    Raises:
        InputError: a file in it is not as it was written.
    """
    check(folder)
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    return Images(_records(source), pixels, np.arange(len(source)))


def _write(job: Translation, folder: Path) -> None:
    source = job.source
    shape = (len(source), *source.shape)
    pixels = new_map(folder / "pixels.npy", shape)
    records = _records(source)
    (folder / "images").mkdir()
    counts = np.zeros(len(source), int)
    rows_of = {place: row for row, place in enumerate(source.places) if place}
    with job.watch.task(f"synthesis: {job.name}", len(source)) as task, torch.inference_mode():
        for start in range(0, len(source), BATCH):
            job.stop.check()
            rows = range(start, min(start + BATCH, len(source)))
            batch = torch.from_numpy(np.stack([source.stack(row) for row in rows])).to(job.policy.device)
            translated = job.generator.translate(batch).float().cpu().numpy()
            for row, stack in zip(rows, translated, strict=True):
                for other, part in _shares(job, row, rows_of):
                    own = Stacks(source.neighbors).part(stack, part)
                    pixels[other] = own + pixels[other] if counts[other] else own
                    counts[other] += 1
            task.advance(rows.stop)
    for row, record in enumerate(records):
        image = pixels[row] if counts[row] == 1 else pixels[row] / np.float32(counts[row])
        (folder / record.image).write_bytes(png(image))
        pixels[row] = to_bytes(image) / np.float32(127.5) - np.float32(1.0)
    pixels.flush()
    write_text(folder / "manifest.csv", _manifest(records, job.origins, job.name))


def _shares(job: Translation, row: int, rows_of: Mapping[Place, int]) -> list[tuple[int, int]]:
    """Return to which images the translated stack of one contributes, and by which of its parts."""
    n, place = job.source.neighbors, job.source.places[row] if job.source.places else None
    if not job.smooth or place is None:
        return [(row, n)]
    volume, index = place
    others = {rows_of.get((volume, index + k)): n + k for k in range(-n, n + 1)}
    return [(other, part) for other, part in others.items() if other is not None]


def _records(source: Images) -> tuple[Record, ...]:
    return tuple(
        replace(record, image=f"images/{index:06}.png", domain="target", pair="", slice=None, extra={})
        for index, record in enumerate(source.records)
    )


def _manifest(records: Sequence[Record], origins: Sequence[str], generator: str) -> str:
    rows = (
        (one.image, "target", "" if one.label is None else one.label, one.patient, one.split, "", origin, generator)
        for one, origin in zip(records, origins, strict=True)
    )
    return csv_text([COLUMNS, *rows])


def synthesize_training_set(seed_run: SeedRun, data: Data, generator: Generator) -> Images:
    """Translate the source images of training patients, and no others."""
    run = seed_run.run
    with run.stage(seed_run.stage_name("synthesis")), leader_first():
        source = data.images.select(domain="source", split="train")
        return translate(seed_run, data, generator, source, "synthetic")


def translate(seed_run: SeedRun, data: Data, generator: Generator, source: Images, folder: str) -> Images:
    """Translate `source` into a folder of the run."""
    run = seed_run.run
    job = Translation(
        generator=generator,
        name=run.plan.generator,
        source=source,
        origins=[listed_name(run, data, record) for record in source.records],
        policy=policy_of(run.plan),
        smooth=run.plan.data.smooth,
        watch=run.watch,
        stop=run.stop,
    )
    with seed_run.shared(folder, "generator"):
        return synthesize(job, seed_run.folder / folder)
