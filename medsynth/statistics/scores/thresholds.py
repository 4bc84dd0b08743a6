"""Where to cut a classifier's probability, and which of its epochs to keep: both decided on validation images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.base.errors import InputError
from medsynth.statistics.scores.diagnostic import Floats, checked

TARGET_SENSITIVITY = 0.95
"""A screening test that misses more than one in twenty is judged by what it misses first."""

POLICIES = ("screening", "youden", "half")
"""Names that `choose_threshold` accepts."""


def choose_threshold(probabilities: ArrayLike, labels: ArrayLike, policy: str = "screening") -> float:
    """Return the threshold that a policy picks on validation cases; probability >= threshold is called positive.

    The threshold lies midway between the lowest probability called positive and the next lower one, so that it leaves
    the same margin to both sides; where every case is called positive, it is the lowest probability itself.

    Args:
        probabilities: (N,) probability of the positive class.
        labels: (N,) 1 positive, 0 negative.
        policy: ``screening``: the highest specificity among thresholds with sensitivity >= 0.95, of these the most
            sensitive; ``youden``: the highest sensitivity + specificity, of these the most sensitive; ``half``: 0.5.

    Raises:
        InputError: the policy is unknown, or a class is absent from the cases.
    """
    if policy not in POLICIES:
        raise InputError(f"unknown threshold policy '{policy}'", hint=f"Choose one of: {', '.join(POLICIES)}.")
    if policy == "half":
        return 0.5
    values, positive = checked(probabilities, labels)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        missing = "positive" if not positives else "negative"
        raise InputError(
            f"threshold policy '{policy}' needs both classes, but the validation images have no {missing} case",
            hint="Give the validation split more patients, or use the policy 'half'.",
        )
    cuts = np.unique(values)
    found = _called(values[positive], cuts)
    wrong = _called(values[~positive], cuts)
    if policy == "screening":
        enough = found / positives >= TARGET_SENSITIVITY
        merit = np.where(enough, negatives - wrong, -1)
    else:
        # Youden's index times both class sizes: whole numbers, so that ties are exact.
        merit = found * negatives - wrong * positives
    return _midway(cuts, int(np.argmax(merit)))


def _called(values: Floats, cuts: Floats) -> NDArray[np.int64]:
    """Return how many of `values` are at least each cut."""
    return (len(values) - np.searchsorted(np.sort(values), cuts, side="left")).astype(np.int64)


def _midway(cuts: Floats, index: int) -> float:
    """Return the middle between a cut and the next lower one."""
    cut = float(cuts[index])
    if index == 0:
        return cut
    lower = float(cuts[index - 1])
    middle = lower + 0.5 * (cut - lower)
    # Between two neighboring floats there is no middle, and the lower one must stay below the threshold.
    return middle if middle > lower else cut


def selection_key(sensitivity: float, specificity: float, auc: float) -> tuple[bool, float, float]:
    """Return an ordered key: of several models or epochs keep the one with the largest.

    Below a sensitivity of 0.95 the most sensitive model wins, from there on the most specific one; ROC AUC breaks ties.
    This is the selection rule of "Efficient endometrial carcinoma screening via cross-modal synthesis and gradient
    distillation" as one key. NaN ranks below every number.

    Examples:
        >>> selection_key(0.96, 0.70, 0.9) > selection_key(0.94, 0.99, 0.99)
        True
    """
    enough = sensitivity >= TARGET_SENSITIVITY
    first, second = (specificity if enough else sensitivity), auc
    return enough, -1.0 if math.isnan(first) else first, -1.0 if math.isnan(second) else second
