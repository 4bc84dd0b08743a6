"""Honest probabilities: the temperature that makes them so, and what their calibration error is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit

from medsynth.base.errors import InputError
from medsynth.statistics.scores.diagnostic import Floats, checked

TEMPERATURES = (0.05, 20.0)
"""Bounds: outside them probabilities are 0 and 1, or one half, whatever the image."""

CALIBRATION_BINS = 10
"""Equal intervals of the probability, as in Naeini et al. 2015."""


def fit_temperature(margins: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature with the smallest cross-entropy on validation cases (Guo et al. 2017).

    Ranks, and decisions at probability 0.5, stay as they are. Targets are those of Platt (1999), (n + 1) / (n + 2) and
    1 / (n + 2) for the n cases of a class, instead of 1 and 0, so that cases told apart without a mistake do not call
    for certainty.

    Args:
        margins: (N,) logit of the positive class minus that of the negative one.
        labels: (N,) 1 positive, 0 negative.

    Returns:
        A number within `TEMPERATURES`; the largest where higher margins do not go with positive cases. 1.0 where all
        margins are zero.

    Raises:
        InputError: a class is absent from the cases.
    """
    values, positive = checked(margins, labels)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        missing = "positive" if not positives else "negative"
        raise InputError(
            f"calibration needs both classes, but the validation images have no {missing} case",
            hint="Give the validation split more patients, or use --set classifier.calibrate=false.",
        )
    if not values.any():
        return 1.0
    targets = np.where(positive, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))

    def slope(inverse: float) -> float:
        """Derivative of the cross-entropy by 1 / temperature; it rises."""
        return float(values @ (expit(values * inverse) - targets))

    least, most = 1.0 / TEMPERATURES[1], 1.0 / TEMPERATURES[0]
    if slope(least) >= 0.0:
        return TEMPERATURES[1]
    if slope(most) <= 0.0:
        return TEMPERATURES[0]
    return 1.0 / float(brentq(slope, least, most, xtol=1e-12))


def binned_differences(values: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Return (N, `CALIBRATION_BINS`): probability minus label in the column of each case's bin, zero elsewhere.

    Bins are equal intervals [a, b) of the probability, the last one closed. The expected calibration error (Naeini,
    Cooper and Hauskrecht 2015) is the sum of the columns' absolute sums by the number of cases. Chance alone makes it
    larger than zero: with few cases also honest probabilities have one.

    Args:
        values: (N,) probabilities of the positive class.
        positive: (N,) whether each case is positive.
    """
    edges = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    place = np.searchsorted(edges, values, side="right")
    table = np.zeros((len(values), CALIBRATION_BINS))
    table[np.arange(len(values)), place] = values - positive
    return table
