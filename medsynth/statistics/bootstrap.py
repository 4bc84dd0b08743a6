"""Bootstrap that resamples patients, not images, because images of one patient are correlated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.api import Predictions
from medsynth.statistics.intervals import IntervalKind, bca_interval, percentile_interval
from medsynth.statistics.scores.diagnostic import METRICS, Floats
from medsynth.statistics.scores.weightings import PatientCases

CHUNK_VALUES = 2**18
"""Weights held at once: 2 MB, which stays in a processor's cache."""


@dataclass(frozen=True)
class Bootstrap:
    """Metrics of all resamples."""

    values: Mapping[str, Floats]
    """(R,) per metric; NaN where a resample lacked a class. Equal seeds and patients give the same resamples, so that
    two models on the same cases can be compared resample by resample."""
    discarded: int
    """Resamples left out because they lacked a class."""
    patients: int
    """Number of distinct patients that were resampled."""
    estimates: Mapping[str, float]
    """Each metric of the cases themselves; NaN where a class that the metric needs is absent."""
    leave_one_out: Mapping[str, Floats]
    """(P,) each metric without each patient; NaN where a class is lacking then. Empty unless asked for."""

    def interval(self, name: str, confidence: float = 0.95, kind: IntervalKind = "percentile") -> tuple[float, float]:
        """Return the interval of one metric; NaN where no resample could be used.

        Args:
            name: of the metric.
            confidence: coverage that is aimed at.
            kind: ``percentile``, or ``bca``, which needs `leave_one_out` (see `bca_interval`).

        Raises:
            ValueError: a BCa interval of a bootstrap without `leave_one_out`.
        """
        if kind == "percentile":
            return percentile_interval(self.values[name], confidence)
        if name not in self.leave_one_out:
            raise ValueError(f"a BCa interval of {name} needs a bootstrap with leave_one_out=True")
        return bca_interval(self.values[name], self.estimates[name], self.leave_one_out[name], confidence)


def patient_draws(patients: int, resamples: int, *, seed: int, chunk: int = 1024) -> Iterator[NDArray[np.int64]]:
    """Yield the patients of each resample, drawn with replacement, in blocks of at most `chunk` resamples.

    Args:
        patients: number of distinct patients P.
        resamples: number of resamples R.
        seed: of the random numbers; the draws do not depend on `chunk`.
        chunk: resamples in a block.

    Yields:
        (r, P) patient indices.
    """
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, chunk):
        yield generator.integers(0, patients, size=(min(chunk, resamples - start), patients))


def bootstrap_diagnostic(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike,
    *,
    threshold: float,
    resamples: int = 10_000,
    seed: int = 0,
    metrics: Sequence[str] = METRICS,
    leave_one_out: bool = False,
) -> Bootstrap:
    """Resample patients with replacement and return metrics of each resample.

    A resample that lacks a class is left out of all metrics and counted.

    Args:
        probabilities: (N,) probability of the positive class.
        labels: (N,) 1 positive, 0 negative.
        patients: (N,) names; all cases of one name are drawn together. Draws number the names in sorted order.
        threshold: smallest probability that is called positive.
        resamples: number of resamples R.
        seed: of the random numbers.
        metrics: names of `METRICS` and `FURTHER_METRICS`.
        leave_one_out: compute what BCa intervals need, too.
    """
    cases = PatientCases.of(probabilities, labels, patients, threshold)
    chunk = max(1, CHUNK_VALUES // max(1, len(cases.values)))
    blocks = []
    for draws in patient_draws(cases.patients, resamples, seed=seed, chunk=chunk):
        # (P, r) rather than (r, P): picking the cases of a patient then copies whole rows.
        # A name keeps the block alive until the next one is there: its memory is reused, which halves the time.
        drawn = times_drawn(draws, cases.patients)
        blocks.append(cases.metrics(drawn, metrics))
    table = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(metrics), 0))
    estimates = cases.metrics(np.ones((cases.patients, 1)), metrics, complete=False)[:, 0].tolist()
    return Bootstrap(
        values=dict(zip(metrics, table, strict=True)),
        discarded=int(np.isnan(table[0]).sum()) if len(table) else 0,
        patients=cases.patients,
        estimates=dict(zip(metrics, estimates, strict=True)),
        leave_one_out=dict(zip(metrics, _without_each(cases, metrics, chunk), strict=True)) if leave_one_out else {},
    )


def bootstrap_predictions(
    predictions: Predictions,
    *,
    resamples: int,
    seed: int,
    metrics: Sequence[str] = METRICS,
    leave_one_out: bool = False,
) -> Bootstrap:
    """Return `bootstrap_diagnostic` of what a classifier predicted, at its threshold."""
    return bootstrap_diagnostic(
        predictions.probabilities,
        predictions.labels,
        predictions.patients,
        threshold=predictions.threshold,
        resamples=resamples,
        seed=seed,
        metrics=metrics,
        leave_one_out=leave_one_out,
    )


def _without_each(cases: PatientCases, metrics: Sequence[str], chunk: int) -> Floats:
    """Return (len(metrics), P) metrics without each patient."""
    blocks = []
    for start in range(0, cases.patients, chunk):
        left_out = np.arange(start, min(start + chunk, cases.patients))
        drawn = np.ones((cases.patients, len(left_out)))
        drawn[left_out, np.arange(len(left_out))] = 0.0
        blocks.append(cases.metrics(drawn, metrics))
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(metrics), 0))


def bootstrap_mean(
    values: ArrayLike, patients: ArrayLike, *, resamples: int, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of the mean over images when patients are resampled.

    Args:
        values: (N,) one per image.
        patients: (N,) names; all images of one name are drawn together.
        resamples: number of resamples.
        confidence: share of resamples inside the interval.
        seed: of the random numbers.
    """
    numbers = np.asarray(values, dtype=np.float64)
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    sums, counts = np.bincount(owner, numbers, len(names)), np.bincount(owner, minlength=len(names))
    draws = patient_draws(len(names), resamples, seed=seed)
    means = [sums[drawn].sum(1) / counts[drawn].sum(1) for drawn in draws]
    return percentile_interval(np.concatenate(means), confidence)


def times_drawn(draws: NDArray[np.int64], patients: int) -> Floats:
    """Return (P, r): how often each patient was drawn in each resample."""
    rows = len(draws)
    flat = draws * rows + np.arange(rows)[:, None]
    return np.bincount(flat.ravel(), minlength=patients * rows).reshape(patients, rows).astype(np.float64)
