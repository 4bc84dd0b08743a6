"""Areas under ROC curves of several models on the same cases, with their covariance (DeLong et al. 1988)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from medsynth.statistics.scores.diagnostic import Floats, checked


@dataclass(frozen=True)
class AreaDifference:
    """The first model's area under the ROC curve minus the second's."""

    areas: tuple[float, float]
    difference: float
    standard_error: float
    low: float
    high: float
    p_value: float
    """Two-sided, of the hypothesis that both areas are equal."""


def delong_test(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> AreaDifference:
    """Compare two models' areas under the ROC curve on the same cases.

    Where the difference does not vary at all, as between equal rankings, the interval is the difference itself; the
    p-value is 1 for no difference and 0 for any other.

    Args:
        first, second: (N,) probabilities of the positive class of either model.
        labels: (N,) 1 positive, 0 negative.
        patients: (N,) names; see `area_covariance`.
        confidence: coverage of the interval of the difference.
    """
    areas, covariance = area_covariance(np.stack([np.asarray(first), np.asarray(second)]), labels, patients)
    difference = float(areas[0] - areas[1])
    error = float(np.sqrt(max(0.0, covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1])))
    if error < 1e-12:
        error, p_value = 0.0, float(abs(difference) < 1e-12)
    else:
        p_value = float(2.0 * ndtr(-abs(difference) / error))
    half = float(ndtri(0.5 * (1.0 + confidence))) * error
    return AreaDifference(
        (float(areas[0]), float(areas[1])), difference, error, difference - half, difference + half, p_value
    )


def area_covariance(
    probabilities: ArrayLike, labels: ArrayLike, patients: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Return the areas under the ROC curves of M models, (M,), and their covariance, (M, M).

    With one image per patient this is the estimate of DeLong, DeLong and Clarke-Pearson (1988), computed from midranks
    (Sun and Xu 2014). Several images of one patient are correlated; given `patients`, their contributions are summed
    before they are squared (Obuchowski 1997), which for single images is the same.

    Args:
        probabilities: (M, N) probability of the positive class.
        labels: (N,) 1 positive, 0 negative.
        patients: (N,) names; each image its own patient if not given.

    Raises:
        ValueError: fewer than two patients have positive images, or negative ones.
    """
    models = [checked(row, labels) for row in np.atleast_2d(np.asarray(probabilities, dtype=np.float64))]
    positive = models[0][1]
    names, owner = np.unique(
        np.arange(len(positive)) if patients is None else np.asarray(patients), return_inverse=True
    )
    if owner.shape != positive.shape:
        raise ValueError(f"need one patient per probability, got {owner.size} for {positive.size}")
    carriers = [len(np.unique(owner[group])) for group in (positive, ~positive)]
    if min(carriers) < 2:
        raise ValueError(f"need two patients with positive and two with negative images, got {carriers}")
    placements = np.stack([_placements(values, positive) for values, _ in models])
    areas = placements[:, positive].mean(axis=1)
    sums = [
        _sums_by_patient(placements[:, group] - areas[:, None], owner[group], len(names))
        for group in (positive, ~positive)
    ]
    # Means of both classes: each sum is divided by the images of its class, not by the patients who carry them.
    parts = [total / group.sum() for total, group in zip(sums, (positive, ~positive), strict=True)]
    own = [carried / (carried - 1.0) * (part @ part.T) for carried, part in zip(carriers, parts, strict=True)]
    shared = len(names) / (len(names) - 1.0) * (parts[0] @ parts[1].T)
    return areas, own[0] + own[1] + shared + shared.T


def _placements(values: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Return (N,): for each case the share of the other class that it is ranked rightly against, ties one half."""
    found = np.empty(len(values))
    ranks = rankdata(values)
    for group in (positive, ~positive):
        found[group] = (ranks[group] - rankdata(values[group])) / (~group).sum()
    found[~positive] = 1.0 - found[~positive]
    return found


def _sums_by_patient(contributions: Floats, owner: NDArray[np.intp], patients: int) -> Floats:
    """Return (M, P) sums of (M, n) contributions over each patient's images."""
    return np.stack([np.bincount(owner, row, patients) for row in contributions])
