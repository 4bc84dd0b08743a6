"""What a test of known sensitivity and specificity means where a given share of persons is diseased.

All functions take numbers or arrays that broadcast, so that resamples are carried through at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medsynth.statistics.intervals import percentile_interval
from medsynth.statistics.scores.diagnostic import Floats

LIKELIHOODS = ("positive_likelihood_ratio", "negative_likelihood_ratio", "diagnostic_odds_ratio")
"""Names of `likelihood_ratios`, which do not depend on the prevalence."""

CONSEQUENCES = ("ppv", "npv", "screen_positive", "number_needed", "false_per_true")
"""Names of `consequences`, the fields of `Screening`."""


@dataclass(frozen=True)
class Screening:
    """Consequences of screening at one prevalence; NaN or infinite where a denominator is zero."""

    prevalence: float
    ppv: float
    """Chance that a positive call is right."""
    npv: float
    """Chance that a negative call is right."""
    screen_positive: float
    """Share of all persons who are called positive."""
    number_needed: float
    """Persons to screen for one case found."""
    false_per_true: float
    """False positive calls for one case found."""


def screening_at(sensitivity: float, specificity: float, prevalence: float) -> Screening:
    """Return `consequences` at one prevalence as plain numbers.

    Examples:
        >>> round(screening_at(0.9950, 0.9722, 0.09).ppv, 4)
        0.7797
    """
    found = consequences(sensitivity, specificity, prevalence)
    return Screening(prevalence, **{name: float(value) for name, value in found.items()})


def score_name(measure: str, prevalence: float) -> str:
    """Return how a score of one of `CONSEQUENCES` is named.

    Examples:
        >>> score_name("ppv", 0.0002)
        'ppv_at_0.02%'
    """
    return f"{measure}_at_{100.0 * prevalence:g}%"


def consequences(sensitivity: ArrayLike, specificity: ArrayLike, prevalence: ArrayLike) -> dict[str, Floats]:
    """Apply Bayes' rule and return all `CONSEQUENCES`.

    Args:
        sensitivity, specificity: in [0, 1].
        prevalence: share of diseased persons, in (0, 1).
    """
    true, cleared, share = (np.asarray(x, dtype=np.float64) for x in (sensitivity, specificity, prevalence))
    found, missed = true * share, (1.0 - true) * share
    alarms, spared = (1.0 - cleared) * (1.0 - share), cleared * (1.0 - share)
    return {
        "ppv": _quotient(found, found + alarms),
        "npv": _quotient(spared, spared + missed),
        "screen_positive": found + alarms,
        "number_needed": _quotient(np.ones_like(found), found),
        "false_per_true": _quotient(alarms, found),
    }


def likelihood_ratios(sensitivity: ArrayLike, specificity: ArrayLike) -> dict[str, Floats]:
    """Return all `LIKELIHOODS`: how calls change the odds of disease.

    The positive ratio tells how much more often diseased than healthy persons are called positive, the negative one how
    much more often they are called negative; the diagnostic odds ratio is their quotient (Glas et al. 2003). A useless
    test has 1 in all three.

    Args:
        sensitivity, specificity: in [0, 1].

    Examples:
        >>> round(float(likelihood_ratios(0.9950, 0.9722)["positive_likelihood_ratio"]), 2)
        35.79
    """
    true, cleared = np.asarray(sensitivity, dtype=np.float64), np.asarray(specificity, dtype=np.float64)
    return {
        "positive_likelihood_ratio": _quotient(true, 1.0 - cleared),
        "negative_likelihood_ratio": _quotient(1.0 - true, cleared),
        "diagnostic_odds_ratio": _quotient(true * cleared, (1.0 - true) * (1.0 - cleared)),
    }


def ratio_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of (R,) ratios >= 0 of which some may be infinite; NaN values are left out.

    Neighboring resamples are interpolated in 1 / (1 + ratio), where infinity is 0.
    """
    low, high = percentile_interval(1.0 / (1.0 + np.asarray(values, dtype=np.float64)), confidence)
    with np.errstate(divide="ignore"):
        return float(1.0 / np.float64(high) - 1.0), float(1.0 / np.float64(low) - 1.0)


def _quotient(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; something by nothing is infinite, nothing by nothing is NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(numerator / denominator)
