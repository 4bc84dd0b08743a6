"""Predict files with a bundle: a stream of files in, a table of probabilities out."""

from __future__ import annotations

import math
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medsynth.base.errors import InputError, MedsynthError
from medsynth.base.files import new_file
from medsynth.base.progress import Watch
from medsynth.base.stopping import Stop
from medsynth.inference.bundle_classifier import BundleClassifier
from medsynth.inference.inputs.decoding import InputDecoder
from medsynth.inference.inputs.listing import Listing, Source
from medsynth.inference.inputs.reasons import reason_of
from medsynth.inference.predict.predicted_rows import PredictedRow, columns
from medsynth.inference.runtimes import Runtime
from medsynth.inference.shared_summary import Summary
from medsynth.inference.translate.record import csv_line

if TYPE_CHECKING:
    from medsynth.inference.predict.reports.report_series import SeriesReports
    from medsynth.statistics.flags.reference import Judgment

AHEAD = 2
"""Batches per thread that are decoded, computed or wait to be written."""


Intervals = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Returns (B,) lower and upper ends for (B, C, H, W) images and their (B,) probabilities."""
Judges = Callable[[np.ndarray], "Sequence[Judgment]"]
"""Returns how unusual (B, C, H, W) images are."""
Painter = Callable[[np.ndarray, Sequence[str]], None]
"""Writes heatmaps of (B, C, H, W) images with the given names."""


@dataclass(frozen=True, kw_only=True)
class PredictionJob:
    """What is to be predicted, and how.

    Args:
        classifier: of the bundle.
        runtime: computes its logits.
        images: files, folders, manifests.
        out: table to write.
        batch: images in one step.
        threads: batches decoded and computed at once, each on one core.
        intervals: test-time augmentation, if asked for.
        judges: say how far images are from those of training, if asked for.
        painter, heatmaps: writes heatmaps into that folder, if asked for.
        reports: structured reports beside the table, if asked for.
        watch, stop: progress and interruption.
    """

    classifier: BundleClassifier
    runtime: Runtime
    images: Sequence[Path]
    out: Path
    batch: int = 4
    threads: int = 1
    intervals: Intervals | None = None
    judges: Judges | None = None
    painter: Painter | None = None
    heatmaps: Path | None = None
    reports: SeriesReports | None = None
    watch: Watch
    stop: Stop


@dataclass(kw_only=True)
class PredictionSummary(Summary):
    """What became of the images.

    Args:
        predicted, positive: images with a probability, and those of them at or above the threshold.
        reports: structured reports that were written; None where none were asked for.
    """

    predicted: int = 0
    positive: int = 0
    reports: int | None = None


def predict_files(job: PredictionJob) -> PredictionSummary:
    """Predict everything at `job.images` and write the table and the reports, complete or not at all.

    Rows have the order of the files. At most ``AHEAD * threads`` batches, and a volume for each thread, are in memory.

    Raises:
        InputError: nothing to predict, images that cannot have a report, or a table that must not be written.
        RunError: the disk is full.
        Interrupted: on request; the table is not written.
    """
    listing = Listing(job.images, job.heatmaps or job.out)
    files = listing.count()
    _check_out(job)
    if job.reports:
        job.reports.prepare(listing)
    judged = 0 if job.judges else None
    summary = PredictionSummary(
        suspicious=judged, left_out=dict(Counter(one.reason for one in listing.left_out).most_common())
    )
    work = _PredictionWork(job)
    shown = {
        "interval": job.intervals is not None,
        "judged": job.judges is not None,
        "reported": job.reports is not None,
    }
    judge = job.classifier
    with new_file(job.out) as table, job.watch.task("predict", files) as task:
        table.write(csv_line(columns(**shown)))
        done = 0
        for sources, rows in _in_order(work, _batches(listing, job.batch), job.threads):
            job.stop.check()
            for row in map(job.reports.take, rows) if job.reports else rows:
                cells = row.cells(threshold=judge.threshold, classes=judge.classes, **shown)
                table.write(csv_line(cells))
                _count(row, job, summary)
            done += len(sources)
            task.advance(done)
        summary.reports = job.reports.write() if job.reports else None
    return summary


def _check_out(job: PredictionJob) -> None:
    if job.out.is_dir():
        raise InputError(f"--out {job.out} is a folder", hint="Name a file, for example predictions.csv.")
    if any(path.is_file() and path.resolve() == job.out.resolve() for path in job.images):
        raise InputError(f"--out {job.out} is an input", hint="Name a file that does not exist yet.")
    try:
        job.out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder of --out {job.out} cannot be made: {error.strerror}") from error


def _batches(listing: Iterable[Source], size: int) -> Iterator[list[Source]]:
    sources = iter(listing)
    while batch := list(islice(sources, size)):
        yield batch


def _in_order(
    work: Callable[[list[Source]], list[PredictedRow]], batches: Iterator[list[Source]], threads: int
) -> Iterator[tuple[list[Source], list[PredictedRow]]]:
    """Yield batches with their results, in order, while further ones are worked on."""
    pool = ThreadPoolExecutor(threads, initializer=_use_one_core)
    waiting: deque[tuple[list[Source], Future[list[PredictedRow]]]] = deque()
    try:
        for batch in batches:
            waiting.append((batch, pool.submit(work, batch)))
            if len(waiting) >= AHEAD * threads:
                first, result = waiting.popleft()
                yield first, result.result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _use_one_core() -> None:
    """Let the threads share the cores between batches, not inside each; torch is loaded only if a part needs it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


class _PredictionWork:
    """Decodes and classifies one batch of files; a volume counts as one file, and its slices are batched too."""

    def __init__(self, job: PredictionJob) -> None:
        self._job = job
        self._decoder = InputDecoder(job.classifier.config, job.classifier.slices)

    def __call__(self, sources: list[Source]) -> list[PredictedRow]:
        rows: list[PredictedRow] = []
        waiting: dict[int, np.ndarray] = {}
        for source in sources:
            for row, image in self._decoded(source):
                if image is not None:
                    waiting[len(rows)] = image
                rows.append(row)
                if len(waiting) == self._job.batch:
                    self._classify(rows, waiting)
        self._classify(rows, waiting)
        return rows

    def _decoded(self, source: Source) -> Iterator[tuple[PredictedRow, np.ndarray | None]]:
        file = source.path.as_posix()
        if source.problem:
            yield PredictedRow(file=file, patient=source.patient, error=source.problem), None
            return
        try:
            for index, image in self._decoder.read(source.path):
                mark = "" if index is None else f"#{index}"
                row = PredictedRow(file=file + mark, name=source.name + mark, index=index, patient=source.patient)
                yield (replace(row, error=image), None) if isinstance(image, str) else (row, image)
        except InputError as error:
            yield PredictedRow(file=file, patient=source.patient, error=reason_of(error, source.path)), None

    def _classify(self, rows: list[PredictedRow], waiting: dict[int, np.ndarray]) -> None:
        """Fill in the rows of the images that wait."""
        if not waiting:
            return
        self._job.stop.check()
        found = self._judged([rows[k] for k in waiting], np.stack(list(waiting.values())))
        for k, row in zip(waiting, found, strict=True):
            rows[k] = row
        waiting.clear()

    def _judged(self, rows: Sequence[PredictedRow], images: np.ndarray) -> list[PredictedRow]:
        try:
            return self._predicted(rows, images)
        except MedsynthError:
            raise
        except Exception as error:  # the network is foreign code: too little memory, for example
            if len(rows) > 1:
                return [self._judged([row], images[k : k + 1])[0] for k, row in enumerate(rows)]
            return [replace(rows[0], error=f"cannot be predicted: {type(error).__name__}: {error}")]

    def _predicted(self, rows: Sequence[PredictedRow], images: np.ndarray) -> list[PredictedRow]:
        job = self._job
        probabilities = job.classifier.probabilities(job.runtime(images))
        found = [replace(row, probability=float(p)) for row, p in zip(rows, probabilities, strict=True)]
        if job.intervals:
            lows, highs = job.intervals(images, probabilities)
            found = [replace(row, low=float(lows[k]), high=float(highs[k])) for k, row in enumerate(found)]
        if job.judges:
            found = [replace(row, judgment=one) for row, one in zip(found, job.judges(images), strict=True)]
        if job.painter:
            job.painter(images, [row.name for row in rows])
        return [row if math.isfinite(row.probability or 0.0) else _not_a_number(row) for row in found]


def _not_a_number(row: PredictedRow) -> PredictedRow:
    return PredictedRow(file=row.file, name=row.name, patient=row.patient, error="the network's result is not a number")


def _count(row: PredictedRow, job: PredictionJob, summary: PredictionSummary) -> None:
    if row.error:
        summary.failures.append((row.file, row.error))
        job.watch.say(f"{row.file}: {row.error}")
    elif row.probability is not None:
        summary.predicted += 1
        summary.positive += row.probability >= job.classifier.threshold
    if row.judgment and summary.suspicious is not None:
        summary.suspicious += bool(row.judgment.reason)
