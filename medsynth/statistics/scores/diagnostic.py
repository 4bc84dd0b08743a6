"""Two-class metrics from probabilities: confusion counts, rates, ROC curve and the area under it.

A case is called positive when its probability is at least the threshold. Label 1 is positive, 0 negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

METRICS = ("accuracy", "sensitivity", "specificity", "precision", "f1", "roc_auc")
"""Names of the metrics of `diagnostic_metrics`, in the order of tables."""


@dataclass(frozen=True)
class Counts:
    """Confusion counts (or sums of weights): numbers, or arrays of one shape for many resamples."""

    true_positive: Floats
    false_positive: Floats
    true_negative: Floats
    false_negative: Floats


@dataclass(frozen=True)
class RocCurve:
    """Operating points from "nothing is positive" to "everything is positive", one per distinct probability."""

    false_positive_rate: Floats
    """(K + 1,) in [0, 1], never falling."""
    sensitivity: Floats
    """(K + 1,) in [0, 1], never falling."""
    thresholds: Floats
    """(K + 1,) falling; the first is infinite."""


def checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Return probabilities and "is positive" of N cases.

    Raises:
        ValueError: the lengths differ, a probability is not finite, or a label is neither 0 nor 1.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    classes = np.asarray(labels)
    if values.ndim != 1 or values.shape != classes.shape:
        raise ValueError(f"need one label per probability, got shapes {values.shape} and {classes.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(values))} of {len(values)} probabilities are not finite")
    if not np.isin(classes, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1, got {np.unique(classes)}")
    return values, classes == 1


def confusion(
    probabilities: ArrayLike, labels: ArrayLike, threshold: float, weights: ArrayLike | None = None
) -> Counts:
    """Count the four kinds of decisions.

    Args:
        probabilities: (N,) probability of the positive class.
        labels: (N,) 1 positive, 0 negative.
        threshold: smallest probability that is called positive.
        weights: (N,) how often each case counts; once if not given.
    """
    values, positive = checked(probabilities, labels)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    cells = decision_cells(values, positive, threshold)
    return Counts(*(weight @ cells))


def decision_cells(values: Floats, positive: NDArray[np.bool_], threshold: float) -> Floats:
    """Return (N, 4) indicators of true positive, false positive, true negative, false negative."""
    called = values >= threshold
    cells = np.stack([called & positive, called & ~positive, ~called & ~positive, ~called & positive], axis=1)
    return cells.astype(np.float64)


def rates(counts: Counts) -> dict[str, Floats]:
    """Return accuracy, sensitivity, specificity, precision and F1 of confusion counts.

    Sensitivity or specificity of an absent class is NaN. Precision is 0 when no case is called positive, and F1 is 0
    when there is neither a positive case nor a positive call.
    """
    called = counts.true_positive + counts.false_positive
    positive = counts.true_positive + counts.false_negative
    negative = counts.true_negative + counts.false_positive
    return {
        "accuracy": ratio(counts.true_positive + counts.true_negative, positive + negative),
        "sensitivity": ratio(counts.true_positive, positive),
        "specificity": ratio(counts.true_negative, negative),
        "precision": ratio(counts.true_positive, called, otherwise=0.0),
        "f1": ratio(2.0 * counts.true_positive, called + positive, otherwise=0.0),
    }


def matthews_correlation(counts: Counts) -> Floats:
    """Return the correlation of decisions with labels, in [-1, 1] (Matthews 1975).

    0 where all cases are called alike or all are of one class.
    """
    right = counts.true_positive * counts.true_negative
    wrong = counts.false_positive * counts.false_negative
    called = (counts.true_positive + counts.false_positive) * (counts.true_negative + counts.false_negative)
    present = (counts.true_positive + counts.false_negative) * (counts.true_negative + counts.false_positive)
    # Roots first: the product of all four sums of many cases would be large.
    return ratio(right - wrong, np.sqrt(called) * np.sqrt(present), otherwise=0.0)


def ratio(numerator: Floats, denominator: Floats, *, otherwise: float = np.nan) -> Floats:
    """Divide; `otherwise` where the denominator is zero."""
    empty: Any = np.full(np.shape(denominator), otherwise)
    divided: Floats = np.divide(numerator, denominator, out=empty, where=np.asarray(denominator) > 0)
    return divided


def diagnostic_metrics(
    probabilities: ArrayLike, labels: ArrayLike, threshold: float, weights: ArrayLike | None = None
) -> dict[str, float]:
    """Return all `METRICS` of N cases; NaN where a class that the metric needs is absent."""
    found = rates(confusion(probabilities, labels, threshold, weights))
    found["roc_auc"] = np.asarray(roc_auc(probabilities, labels, weights))
    return {name: float(found[name]) for name in METRICS}


def roc_auc(probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the area under the ROC curve; NaN if a class is absent.

    It is the chance that a random positive case gets a higher probability than a random negative one, ties counting
    one half (Mann-Whitney U by midranks).

    Args:
        probabilities: (N,) probability of the positive class.
        labels: (N,) 1 positive, 0 negative.
        weights: (N,) how often each case counts; once if not given.
    """
    values, positive = checked(probabilities, labels)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    return float(weighted_roc_auc(values, positive, weight[:, None])[0])


def weighted_roc_auc(values: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return (R,) areas under the ROC curve of the same N cases under R weightings.

    The cases are sorted once; each weighting then costs one cumulative sum.

    Args:
        values: (N,) probabilities.
        positive: (N,) whether each case is positive.
        weights: (N, R) how often each case counts.
    """
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(values[negatives], kind="stable")]
    lower = np.searchsorted(values[negatives], values[positive], side="left")
    upper = np.searchsorted(values[negatives], values[positive], side="right")
    passed = np.zeros((len(negatives) + 1, weights.shape[1]))
    np.cumsum(weights[negatives], axis=0, out=passed[1:])
    positive_weights = weights[positive]
    won = passed[lower]
    won += passed[upper]
    wins = 0.5 * np.einsum("nr,nr->r", positive_weights, won)
    return ratio(wins, positive_weights.sum(axis=0) * passed[-1])


def roc_curve(probabilities: ArrayLike, labels: ArrayLike) -> RocCurve:
    """Return the ROC curve of N cases; a rate is NaN where its class is absent."""
    values, positive = checked(probabilities, labels)
    order = np.argsort(-values, kind="stable")
    last = np.flatnonzero(np.append(np.diff(values[order]) != 0, True)) if len(values) else np.zeros(0, dtype=int)
    true = np.append(0.0, np.cumsum(positive[order])[last])
    false = np.append(0.0, np.cumsum(~positive[order])[last])
    return RocCurve(
        false_positive_rate=ratio(false, np.full(false.shape, false[-1])),
        sensitivity=ratio(true, np.full(true.shape, true[-1])),
        thresholds=np.append(np.inf, values[order][last]),
    )
