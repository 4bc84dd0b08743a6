"""Scores of the evaluator `readers`, and their intervals."""

from __future__ import annotations

import numpy as np

from medsynth.api import Score
from medsynth.statistics import percentile_interval

Interval = tuple[float | None, float | None]


def make_score(
    name: str,
    subject: str,
    value: float,
    n: int,
    *,
    interval: Interval = (None, None),
    better: bool | None = None,
    detail: str = "",
    unit: str = "",
) -> Score:
    """Return a score of this evaluator; `better` says whether higher values are."""
    return Score(
        evaluator="readers",
        name=name,
        subject=subject,
        value=float(value),
        low=interval[0],
        high=interval[1],
        n=n,
        higher_is_better=better,
        detail=detail,
        unit=unit,
    )


def interval_of(resampled: np.ndarray, confidence: float) -> Interval:
    """Return the percentile interval, or nothing where no resample could be used."""
    low, high = percentile_interval(resampled, confidence)
    return (None, None) if np.isnan(low) else (low, high)
