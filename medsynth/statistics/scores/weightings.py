"""All metrics of the same cases under many weightings of their patients, as resampling and leaving out need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.statistics.scores.calibration import CALIBRATION_BINS, binned_differences
from medsynth.statistics.scores.diagnostic import (
    METRICS,
    Counts,
    Floats,
    checked,
    decision_cells,
    matthews_correlation,
    rates,
    ratio,
    weighted_roc_auc,
)
from medsynth.statistics.scores.precision_recall import weighted_average_precision

FURTHER_METRICS = ("pr_auc", "mcc", "brier_score", "calibration_error")
"""Names beyond `METRICS`: average precision, Matthews correlation, Brier score, expected calibration error."""

LESS_IS_BETTER = ("brier_score", "calibration_error")


@dataclass(frozen=True)
class PatientCases:
    """N cases of P patients."""

    values: Floats
    """(N,) probabilities."""
    positive: NDArray[np.bool_]
    """(N,) whether each case is positive."""
    owner: NDArray[np.intp]
    """(N,) number of each case's patient."""
    patients: int
    """P."""
    sums: Floats
    """(P, 5 + B) per patient: confusion counts, squared errors, probability minus label in each of B bins."""

    @classmethod
    def of(cls, probabilities: ArrayLike, labels: ArrayLike, patients: ArrayLike, threshold: float) -> PatientCases:
        """Number the patients in the sorted order of their names.

        Raises:
            ValueError: the lengths differ, a probability is not finite, or a label is neither 0 nor 1.
        """
        values, positive = checked(probabilities, labels)
        names, owner = np.unique(np.asarray(patients), return_inverse=True)
        if owner.shape != values.shape:
            raise ValueError(f"need one patient per probability, got {owner.size} for {values.size}")
        parts = [
            decision_cells(values, positive, threshold),
            ((values - positive) ** 2)[:, None],
            binned_differences(values, positive),
        ]
        sums = np.zeros((len(names), 5 + CALIBRATION_BINS))
        np.add.at(sums, owner, np.concatenate(parts, axis=1))
        return cls(values, positive, owner, len(names), sums)

    def metrics(self, drawn: Floats, names: Sequence[str] = METRICS, *, complete: bool = True) -> Floats:
        """Return (len(names), r) metrics when each patient counts as often as drawn.

        Args:
            drawn: (P, r) how often each patient counts.
            names: of `METRICS` and `FURTHER_METRICS`.
            complete: make all metrics NaN where a class is lacking, not only those that need it.
        """
        counts = Counts(*(self.sums[:, :4].T @ drawn))
        found = rates(counts)
        further = set(names) & set(FURTHER_METRICS)
        weights = drawn[self.owner] if {"roc_auc", "pr_auc"} & set(names) else drawn
        if "roc_auc" in names:
            found["roc_auc"] = weighted_roc_auc(self.values, self.positive, weights)
        if "pr_auc" in further:
            found["pr_auc"] = weighted_average_precision(self.values, self.positive, weights)
        if further:
            found["mcc"] = matthews_correlation(counts)
            cases = counts.true_positive + counts.false_positive + counts.true_negative + counts.false_negative
            found["brier_score"] = ratio(self.sums[:, 4] @ drawn, cases)
            found["calibration_error"] = ratio(np.abs(self.sums[:, 5:].T @ drawn).sum(axis=0), cases)
        table = np.stack([found[name] for name in names])
        if complete:
            table[:, np.isnan(found["sensitivity"]) | np.isnan(found["specificity"])] = np.nan
        return table
