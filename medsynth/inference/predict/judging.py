"""Judge the classifier of a bundle on images whose labels are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medsynth.api import Evidence, ImageSet, Predictions
from medsynth.base.errors import InputError
from medsynth.base.progress import Watch
from medsynth.base.stopping import Stop
from medsynth.data.config import DataConfig
from medsynth.data.images import Record
from medsynth.data.listing.sources import resolve_labeled
from medsynth.inference.bundle_classifier import BundleClassifier
from medsynth.inference.inputs.decoding import InputDecoder
from medsynth.inference.runtimes import Runtime

SUBJECT = "bundle"
"""Whose scores they are."""


@dataclass(frozen=True)
class Labeled:
    """Images of the target modality with known labels.

    Args:
        records: at least one of either class.
        root: folder that their files are relative to.
        left_out: how many files and folders were not read, by reason.
    """

    records: Sequence[Record]
    root: Path
    left_out: Mapping[str, int] = field(default_factory=dict)

    def by_file(self) -> Mapping[Path, list[int]]:
        """Return which records each file holds: several for a volume or a file of several frames."""
        found: dict[Path, list[int]] = {}
        for number, record in enumerate(self.records):
            found.setdefault(self.root / record.image, []).append(number)
        return found


def find_labeled(config: DataConfig, split: str) -> Labeled:
    """Return what `config.path` holds of the target modality with a label.

    Args:
        config: of the data.
        split: ``train``, ``val`` or ``test``; empty = all.

    Raises:
        InputError: data that cannot be read, or without images of both classes.
    """
    table = resolve_labeled(config)
    kept = [r for r in table.records if r.domain == "target" and r.label is not None and split in ("", r.split)]
    if len({record.label for record in kept}) < 2:
        asked = f" in its split {split!r}" if split else ""
        counts = f"{sum(r.label == 1 for r in kept)} positive and {sum(r.label == 0 for r in kept)} negative"
        raise InputError(
            f"{config.path} holds {counts} target images{asked}; scores need both", hint="Check labels and --split."
        )
    return Labeled(kept, table.root, Counter(one.reason for one in table.left_out))


def predict_labeled(
    classifier: BundleClassifier, runtime: Runtime, labeled: Labeled, *, batch: int, watch: Watch, stop: Stop
) -> Predictions:
    """Return the probabilities of all images, at the bundle's threshold.

    Raises:
        InputError: an image cannot be read, or says nothing: scores of the others would not be those of the data.
        Interrupted: on request.
    """
    records = labeled.records
    probabilities = np.full(len(records), np.nan)
    waiting: list[tuple[int, np.ndarray]] = []

    def classify() -> None:
        if waiting:
            numbers, images = zip(*waiting, strict=True)
            probabilities[list(numbers)] = classifier.probabilities(runtime(np.stack(images)))
            waiting.clear()

    with watch.task("evaluate", len(records)) as task:
        for number, image in _decoded(classifier, labeled):
            waiting.append((number, image))
            if len(waiting) == batch:
                stop.check()
                classify()
                task.advance(int(np.isfinite(probabilities).sum()))
        classify()
    columns = sorted({name for record in records for name in record.extra})
    return Predictions(
        probabilities=probabilities,
        labels=np.array([record.label for record in records], dtype=np.int64),
        patients=np.array([record.patient for record in records]),
        threshold=classifier.threshold,
        temperature=classifier.temperature,
        groups={name: np.array([record.extra.get(name, "") for record in records]) for name in columns},
    )


def _decoded(classifier: BundleClassifier, labeled: Labeled) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each record's number and image, (C, H, W); a volume's file is read once."""
    decoder = InputDecoder(classifier.config)
    for path, numbers in labeled.by_file().items():
        wanted = {labeled.records[number].slice: number for number in numbers}
        try:
            for index, image in decoder.read(path):
                number = wanted.pop(index, None)
                if number is None:
                    continue
                if isinstance(image, str):
                    raise InputError(f"{path} {image}")
                yield number, image
        except InputError as error:
            hint = error.hint or "Mend the file, or leave it out of the data."
            raise InputError(error.message, hint=hint) from None
        if wanted:
            raise InputError(f"{path} has no slice {next(iter(wanted))}", hint="Correct the manifest.")


def as_evidence(predictions: Predictions, seed: int) -> Evidence:
    """Return evidence for evaluators that judge nothing but predictions."""
    nothing = ImageSet(
        images=np.empty((0, 1, 1, 1), np.float32), labels=np.empty(0, np.int64), patients=np.empty(0), names=np.empty(0)
    )

    def no_extractor(name: str) -> None:
        raise InputError(f"the extractor '{name}' has no images to look at")

    return Evidence(
        real=nothing,
        source=nothing,
        synthetic=nothing,
        truth=None,
        training=nothing,
        predictions={SUBJECT: predictions},
        networks={},
        extractor=no_extractor,  # type: ignore[arg-type]
        seed=seed,
    )
