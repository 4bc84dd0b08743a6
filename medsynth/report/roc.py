"""The ROC curve with the band that resampling patients gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.api import Predictions
from medsynth.statistics import patient_draws

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """Pointwise interval of the sensitivity that is reached within a false-positive rate.

    Args:
        false_positive_rate: (G,) grid from 0 to 1.
        low, high: (G,) ends of the interval.
    """

    false_positive_rate: Floats
    low: Floats
    high: Floats


def roc_band(
    predictions: Predictions, *, seed: int, resamples: int = 500, confidence: float = 0.95, points: int = 101
) -> Band | None:
    """Resample patients and return the central percentiles of the sensitivity at each false-positive rate.

    Resamples that lack a class are left out.

    Returns:
        None with fewer than two patients, or if no resample has both classes.
    """
    positive = np.asarray(predictions.labels) == 1
    names, owner = np.unique(np.asarray(predictions.patients).astype(str), return_inverse=True)
    if len(names) < 2 or positive.all() or not positive.any():
        return None
    probabilities = np.asarray(predictions.probabilities, dtype=np.float64)
    order = np.argsort(-probabilities, kind="stable")
    last = np.flatnonzero(np.append(np.diff(probabilities[order]) != 0, True))
    grid = np.linspace(0.0, 1.0, points)
    found: list[Floats] = []
    for draws in patient_draws(len(names), resamples, seed=seed, chunk=64):
        for draw in draws:
            weights = np.bincount(draw, minlength=len(names))[owner][order]
            true = np.append(0, np.cumsum(weights * positive[order])[last])
            false = np.append(0, np.cumsum(weights * ~positive[order])[last])
            if true[-1] and false[-1]:
                reached = np.searchsorted(false / false[-1], grid, side="right") - 1
                found.append(true[reached] / true[-1])
    if not found:
        return None
    tail = 50 * (1 - confidence)
    low, high = np.percentile(found, [tail, 100 - tail], axis=0)
    return Band(grid, low, high)
