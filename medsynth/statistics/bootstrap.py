"""Bootstrap that resamples patients, not images, because images of one patient are correlated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.statistics.diagnostic import METRICS, Counts, Floats, checked, decision_cells, rates, weighted_roc_auc

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

    def interval(self, name: str, confidence: float = 0.95) -> tuple[float, float]:
        """Return the percentile interval of one metric; NaN where no resample could be used."""
        return percentile_interval(self.values[name], confidence)


def percentile_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the central interval that holds the share `confidence` of (R,) values, NaN values left out.

    Returns (NaN, NaN) if all are NaN.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return np.nan, np.nan
    tail = 0.5 * (1.0 - confidence)
    low, high = np.quantile(numbers, [tail, 1.0 - tail])
    return float(low), float(high)


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
) -> Bootstrap:
    """Resample patients with replacement and return all `METRICS` of each resample.

    A resample that lacks a class is left out of all metrics and counted.

    Args:
        probabilities: (N,) probability of the positive class.
        labels: (N,) 1 positive, 0 negative.
        patients: (N,) names; all cases of one name are drawn together. Draws number the names in sorted order.
        threshold: smallest probability that is called positive.
        resamples: number of resamples R.
        seed: of the random numbers.
    """
    values, positive = checked(probabilities, labels)
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    if owner.shape != values.shape:
        raise ValueError(f"need one patient per probability, got {owner.size} for {values.size}")
    cells = np.zeros((len(names), 4))
    np.add.at(cells, owner, decision_cells(values, positive, threshold))
    chunk = max(1, CHUNK_VALUES // max(1, len(values)))
    blocks = []
    for draws in patient_draws(len(names), resamples, seed=seed, chunk=chunk):
        # (P, r) rather than (r, P): picking the cases of a patient then copies whole rows.
        drawn = _times_drawn(draws, len(names))
        counts = Counts(*(cells.T @ drawn))
        areas = weighted_roc_auc(values, positive, drawn[owner])
        blocks.append(np.stack([*rates(counts).values(), areas]))
    table = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(METRICS), 0))
    lacking = np.isnan(table[-1])
    table[:, lacking] = np.nan
    return Bootstrap(dict(zip(METRICS, table, strict=True)), int(lacking.sum()), len(names))


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


def _times_drawn(draws: NDArray[np.int64], patients: int) -> Floats:
    """Return (P, r): how often each patient was drawn in each resample."""
    rows = len(draws)
    flat = draws * rows + np.arange(rows)[:, None]
    return np.bincount(flat.ravel(), minlength=patients * rows).reshape(patients, rows).astype(np.float64)
