"""Area under the precision-recall curve, as average precision. Letters: N cases, R weightings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.statistics.scores.diagnostic import Floats, ratio


def weighted_average_precision(values: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return (R,) average precisions of the same N cases under R weightings; NaN without positive weight.

    It is the mean precision at the thresholds of the positive cases, the step-wise area under the precision-recall
    curve; interpolating linearly would be too favorable (Davis and Goadrich 2006). Guessing gives the share of positive
    cases, so that values of other prevalences do not compare.

    Args:
        values: (N,) probabilities.
        positive: (N,) whether each case is positive.
        weights: (N, R) how often each case counts.
    """
    order = np.argsort(-values, kind="stable")
    rows = order[positive[order]]
    # Called at the threshold of a positive case: all cases with at least its probability.
    called = np.searchsorted(-values[order], -values[rows], side="right") - 1
    found = np.searchsorted(-values[rows], -values[rows], side="right") - 1
    true = weights[rows]
    precision = ratio(np.cumsum(true, axis=0)[found], np.cumsum(weights[order], axis=0)[called], otherwise=0.0)
    return ratio(np.einsum("nr,nr->r", true, precision), true.sum(axis=0))
