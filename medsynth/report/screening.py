"""What a test of known sensitivity and specificity means at a given prevalence (the paper's table 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medsynth.api import Score
from medsynth.report.verdict import find, finite_interval

PREVALENCES = (0.0002, 0.01, 0.09, 0.308, 0.40)
"""Shares of diseased persons, from a general population to a clinic for symptomatic patients."""


@dataclass(frozen=True)
class Screening:
    """Consequences of screening at one prevalence; NaN or infinity where a denominator is zero."""

    prevalence: float
    ppv: float
    """Chance that a positive call is right."""
    npv: float
    """Chance that a negative call is right."""
    screen_positive: float
    """Share of all persons who are called positive."""
    number_needed: float
    """Persons to screen for one case found."""


def screening(sensitivity: float, specificity: float, prevalence: float) -> Screening:
    """Apply Bayes' rule.

    Args:
        sensitivity, specificity: in [0, 1].
        prevalence: share of diseased persons, in (0, 1).

    Example:
        >>> round(screening(0.9950, 0.9722, 0.09).ppv, 4)
        0.7797
    """
    true_positive = sensitivity * prevalence
    called = true_positive + (1 - specificity) * (1 - prevalence)
    true_negative = specificity * (1 - prevalence)
    cleared = true_negative + (1 - sensitivity) * prevalence
    return Screening(
        prevalence=prevalence,
        ppv=true_positive / called if called else math.nan,
        npv=true_negative / cleared if cleared else math.nan,
        screen_positive=called,
        number_needed=1 / true_positive if true_positive else math.inf,
    )


def positive_likelihood_ratio(sensitivity: float, specificity: float) -> float:
    """Return how much more often diseased than healthy persons are called positive; infinity at specificity 1."""
    return sensitivity / (1 - specificity) if specificity < 1 else math.inf


@dataclass(frozen=True)
class ScreeningTable:
    """Screening by prevalence for one classifier.

    Args:
        rows: at the measured sensitivity and specificity.
        ppv_ranges: for each row the PPV with both at the lower and both at the upper ends of their intervals, or None.
    """

    sensitivity: float
    specificity: float
    rows: tuple[Screening, ...]
    ppv_ranges: tuple[tuple[float, float] | None, ...]

    @property
    def likelihood_ratio(self) -> float:
        """Positive likelihood ratio."""
        return positive_likelihood_ratio(self.sensitivity, self.specificity)


def screening_table(scores: Sequence[Score], subject: str) -> ScreeningTable | None:
    """Return the table of one subject, or None without its sensitivity and specificity."""
    sensitivity, specificity = find(scores, "sensitivity", subject), find(scores, "specificity", subject)
    if sensitivity is None or specificity is None:
        return None
    rows = tuple(screening(sensitivity.value, specificity.value, prevalence) for prevalence in PREVALENCES)
    first, second = finite_interval(sensitivity), finite_interval(specificity)
    ranges: list[tuple[float, float] | None] = [None] * len(rows)
    if first and second:
        ends = [[screening(first[end], second[end], row.prevalence).ppv for end in (0, 1)] for row in rows]
        ranges = [(low, high) for low, high in ends]
    return ScreeningTable(sensitivity.value, specificity.value, rows, tuple(ranges))
