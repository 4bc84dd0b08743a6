"""Curves of a classifier with the bands that resampling patients gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.api import Predictions
from medsynth.statistics import patient_draws
from medsynth.statistics.bootstrap import times_drawn

Floats = NDArray[np.float64]
RESAMPLES = 500
ENDS = (2.5, 97.5)
"""Percentiles between which bands lie."""


@dataclass(frozen=True)
class Band:
    """Pointwise interval of a curve.

    Args:
        at: (G,) where the curve is looked at: false-positive rates for ROC, sensitivities for precision.
        low, high: (G,) ends of the interval.
    """

    at: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Reliability:
    """How frequent positives are among cases of similar probability.

    Args:
        said: (K,) mean probability of each bin.
        frequent: (K,) share of positives in it.
        low, high: (K,) interval of that share; NaN where resamples hold no case of the bin.
    """

    said: Floats
    frequent: Floats
    low: Floats
    high: Floats


def roc_band(predictions: Predictions, *, seed: int, resamples: int = RESAMPLES, points: int = 101) -> Band | None:
    """Resample patients and return the central 95 % of the sensitivity at each false-positive rate.

    Resamples that lack a class are left out.

    Returns:
        None with fewer than two patients, or if no resample has both classes.
    """
    grid = np.linspace(0.0, 1.0, points)
    found = []
    for true, false in _cumulated(predictions, seed=seed, resamples=resamples):
        reached = np.searchsorted(false / false[-1], grid, side="right") - 1
        found.append(true[reached] / true[-1])
    return _band(grid, found)


def precision_band(
    predictions: Predictions, *, seed: int, resamples: int = RESAMPLES, points: int = 101
) -> Band | None:
    """Resample patients and return the central 95 % of the precision where each sensitivity is first reached.

    Otherwise as `roc_band`; the grid starts above sensitivity 0, where no case is called positive.
    """
    grid = np.linspace(0.0, 1.0, points)[1:]
    found = []
    for true, false in _cumulated(predictions, seed=seed, resamples=resamples):
        # The slack lets 0.3 of the grid meet the 0.3 of three positives in ten.
        reached = np.searchsorted(true / true[-1], grid - 1e-9, side="left")
        found.append(true[reached] / (true[reached] + false[reached]))
    return _band(grid, found)


def reliability(predictions: Predictions, *, seed: int, bins: int = 8, resamples: int = RESAMPLES) -> Reliability:
    """Compare probabilities with frequencies in bins that hold equally many cases, as far as ties allow."""
    probabilities = np.asarray(predictions.probabilities, dtype=np.float64)
    positive = (np.asarray(predictions.labels) == 1).astype(np.float64)
    edges = np.unique(np.quantile(probabilities, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    _, place = np.unique(np.searchsorted(edges, probabilities, side="right"), return_inverse=True)
    count = np.bincount(place)
    shares = []
    for weights in _weights(predictions, seed=seed, resamples=resamples):
        drawn = np.bincount(place, weights, len(count))
        hits = np.bincount(place, weights * positive, len(count))
        shares.append(np.divide(hits, drawn, out=np.full(len(count), np.nan), where=drawn > 0))
    low, high = np.full((2, len(count)), np.nan)
    if shares:
        low, high = np.nanpercentile(shares, ENDS, axis=0)
    return Reliability(
        np.bincount(place, probabilities) / count,
        np.bincount(place, positive) / count,
        np.asarray(low),
        np.asarray(high),
    )


def _band(grid: Floats, found: list[Floats]) -> Band | None:
    return Band(grid, *np.percentile(found, ENDS, axis=0)) if found else None


def _weights(predictions: Predictions, *, seed: int, resamples: int) -> Iterator[Floats]:
    """Yield (N,) how often each case is drawn, per resample of patients; nothing with fewer than two patients."""
    names, owner = np.unique(np.asarray(predictions.patients).astype(str), return_inverse=True)
    if len(names) < 2:
        return
    for draws in patient_draws(len(names), resamples, seed=seed, chunk=64):
        yield from times_drawn(draws, len(names))[owner].T


def _cumulated(predictions: Predictions, *, seed: int, resamples: int) -> Iterator[tuple[Floats, Floats]]:
    """Yield true and false positives (T + 1,) at falling thresholds, per resample that has both classes."""
    positive = np.asarray(predictions.labels) == 1
    probabilities = np.asarray(predictions.probabilities, dtype=np.float64)
    order = np.argsort(-probabilities, kind="stable")
    last = np.flatnonzero(np.append(np.diff(probabilities[order]) != 0, True))
    for weights in _weights(predictions, seed=seed, resamples=resamples):
        drawn = weights[order]
        true = np.append(0, np.cumsum(drawn * positive[order])[last])
        false = np.append(0, np.cumsum(drawn * ~positive[order])[last])
        if true[-1] and false[-1]:
            yield true, false
