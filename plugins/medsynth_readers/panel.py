"""Readers and the model on the same test images, all under the same resamples of patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.api import Predictions
from medsynth.statistics import patient_draws
from medsynth.statistics.bootstrap import times_drawn
from medsynth.statistics.scores.diagnostic import Floats
from medsynth.statistics.scores.weightings import PatientCases
from medsynth_readers.matching import match
from medsynth_readers.table import Reader

DECIDED = ("sensitivity", "specificity", "accuracy")
RATED = "roc_auc"


@dataclass(frozen=True)
class Judged:
    """One judge of test images: a reader or the model.

    Args:
        rows: (n,) positions of the judged images among the test images, ascending.
        decisions: (n,) 1 positive, 0 negative.
        ratings: (n,) higher = more likely positive; None if not given.
    """

    rows: NDArray[np.intp]
    decisions: NDArray[np.int64]
    ratings: Floats | None

    def on(self, rows: NDArray[np.intp]) -> Judged:
        """Return what was judged of those images only."""
        kept = np.isin(self.rows, rows)
        return Judged(self.rows[kept], self.decisions[kept], None if self.ratings is None else self.ratings[kept])


@dataclass(frozen=True)
class Measured:
    """Metrics of one judge: their values, and their values (R,) in each resample of patients."""

    values: dict[str, float]
    resampled: dict[str, Floats]

    def minus(self, other: Measured) -> Measured:
        """Return the differences of the metrics that both have, resample by resample."""
        shared = [name for name in self.values if name in other.values]
        return Measured(
            {name: self.values[name] - other.values[name] for name in shared},
            {name: self.resampled[name] - other.resampled[name] for name in shared},
        )


class Panel:
    """The test images that readers looked at.

    Args:
        readers: with cases as the table names them.
        predictions: of the model, one per test image.
        names: of the test images, in the same order.
        resamples: of patients.
        seed: of the resamples.

    Raises:
        InputError: a case fits no test image.
    """

    def __init__(
        self, readers: Sequence[Reader], predictions: Predictions, names: Sequence[str], *, resamples: int, seed: int
    ) -> None:
        rows = match(list(dict.fromkeys(case for reader in readers for case in reader.decisions)), names)
        self.readers = {reader.name: _placed(reader, rows) for reader in readers}
        self.labels, self.patients = np.asarray(predictions.labels), np.asarray(predictions.patients).astype(str)
        self.seen = np.array(sorted(rows.values()))
        self.people = np.unique(self.patients[self.seen])
        called = (predictions.probabilities >= predictions.threshold).astype(np.int64)
        everything = Judged(np.arange(len(called)), called, np.asarray(predictions.probabilities, dtype=np.float64))
        self.model = everything.on(self.seen)
        self.resamples, self._seed = resamples, seed

    def shared(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Return the images that all of these readers judged."""
        return reduce(np.intersect1d, (self.readers[name].rows for name in names))

    def measure(self, judge: Judged) -> Measured:
        """Return sensitivity, specificity and accuracy, and the AUC where there are ratings."""
        found = self._metrics(judge, judge.decisions, DECIDED)
        if judge.ratings is not None:
            rated = self._metrics(judge, judge.ratings, (RATED,))
            found = Measured(found.values | rated.values, found.resampled | rated.resampled)
        return found

    def _metrics(self, judge: Judged, values: ArrayLike, names: Sequence[str]) -> Measured:
        own = self.patients[judge.rows]
        cases = PatientCases.of(values, self.labels[judge.rows], own, threshold=0.5)
        place = np.searchsorted(self.people, np.unique(own))
        blocks = [
            cases.metrics(times_drawn(draws, len(self.people))[place], names)
            for draws in patient_draws(len(self.people), self.resamples, seed=self._seed, chunk=256)
        ]
        found = cases.metrics(np.ones((cases.patients, 1)), names)[:, 0].tolist()
        # A single patient shows no spread.
        resampled = np.concatenate(blocks, axis=1) if len(self.people) > 1 else np.full((len(names), 1), np.nan)
        return Measured(dict(zip(names, found, strict=True)), dict(zip(names, resampled, strict=True)))


def _placed(reader: Reader, rows: dict[str, int]) -> Judged:
    cases = sorted(reader.decisions, key=rows.__getitem__)
    ratings = np.array([reader.confidences[case] for case in cases]) if reader.confidences else None
    return Judged(np.array([rows[c] for c in cases]), np.array([reader.decisions[c] for c in cases]), ratings)


def pooled(measured: Sequence[Measured], *, seed: int) -> Measured:
    """Return the mean over readers; in each resample of patients, readers are resampled, too.

    So the interval speaks about readers like these, not about these alone. A reader who saw no positive or no negative
    case of a resample is left out of it.
    """
    names = [name for name in measured[0].values if all(name in other.values for other in measured)]
    count, resamples = len(measured), len(next(iter(measured[0].resampled.values())))
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=resamples).T
    values, resampled = {}, {}
    for name in names:
        values[name] = float(np.mean([one.values[name] for one in measured]))
        table = np.stack([one.resampled[name] for one in measured])
        weights = np.where(np.isnan(table), 0, drawn)
        with np.errstate(invalid="ignore"):
            resampled[name] = (np.nan_to_num(table) * weights).sum(axis=0) / weights.sum(axis=0)
    return Measured(values, resampled)
