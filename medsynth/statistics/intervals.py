"""Intervals from resampled values: percentile and BCa. Letters: R resamples, J values that leave one unit out."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

IntervalKind = Literal["percentile", "bca"]
INTERVALS: tuple[IntervalKind, ...] = ("percentile", "bca")


def percentile_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the central interval that holds the share `confidence` of (R,) values, NaN values left out.

    Returns (NaN, NaN) if all are NaN.
    """
    tail = 0.5 * (1.0 - confidence)
    return _between(values, (tail, 1.0 - tail))


def bca_interval(
    values: ArrayLike, estimate: float, leave_one_out: ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated interval (Efron 1987), NaN values left out.

    Where more resamples lie below the estimate than above it, or the estimate's spread grows with its size, both ends
    move accordingly. Resamples equal to the estimate count half on either side.

    Args:
        values: (R,) the figure in each resample.
        estimate: the figure of the data themselves.
        leave_one_out: (J,) the figure without each unit that is resampled, here each patient (jackknife).
        confidence: coverage that is aimed at.

    Returns:
        (NaN, NaN) where the estimate lies outside all resamples, or where nothing but NaN is given: no correction for
        bias can be computed then.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers) or np.isnan(estimate):
        return np.nan, np.nan
    below = 0.5 * (np.mean(numbers < estimate) + np.mean(numbers <= estimate))
    if below in (0.0, 1.0):
        return np.nan, np.nan
    bias, acceleration = float(ndtri(below)), _acceleration(leave_one_out)
    normal = bias + ndtri(np.array([0.5 * (1.0 - confidence), 0.5 * (1.0 + confidence)]))
    low, high = ndtr(bias + normal / (1.0 - acceleration * normal))
    return _between(numbers, (float(low), float(high)))


def _acceleration(leave_one_out: ArrayLike) -> float:
    """Return a sixth of the skewness of the jackknife's influence values; 0 where they do not differ."""
    numbers = np.asarray(leave_one_out, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return 0.0
    influence = numbers.mean() - numbers
    # Rounding alone makes equal values differ in the last digit, and their skewness is without meaning.
    if np.abs(influence).max() <= 1e-12 * np.abs(numbers).max():
        return 0.0
    return float((influence**3).sum() / (6.0 * (influence**2).sum() ** 1.5))


def _between(values: ArrayLike, shares: tuple[float, float]) -> tuple[float, float]:
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return np.nan, np.nan
    low, high = np.quantile(numbers, shares)
    return float(low), float(high)
