"""Comparisons of two models on the same cases, and of many comparisons at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from medsynth.statistics.bootstrap import Bootstrap, bootstrap_diagnostic
from medsynth.statistics.intervals import IntervalKind
from medsynth.statistics.scores.delong import delong_test
from medsynth.statistics.scores.diagnostic import METRICS, Floats
from medsynth.statistics.scores.weightings import FURTHER_METRICS


@dataclass(frozen=True)
class McNemar:
    """Cases on which two models disagree."""

    only_first: int
    """Cases that the first model alone decided rightly."""
    only_second: int
    p_value: float
    """Two-sided and exact, of the hypothesis that either model is as often right where they disagree."""


@dataclass(frozen=True)
class Difference:
    """The first model's metric minus the second's."""

    value: float
    low: float
    high: float
    p_value: float
    """Two-sided, see `bootstrap_p_value`."""


def mcnemar_test(first: ArrayLike, second: ArrayLike) -> McNemar:
    """Compare how often two models are right on the same cases (McNemar 1947; exact binomial form).

    For sensitivity pass the positive cases only, for specificity the negative ones. The test takes cases as
    independent: with several images per patient use `paired_bootstrap`.

    Args:
        first, second: (N,) whether each case was decided rightly.

    Raises:
        ValueError: the lengths differ.
    """
    one, two = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(f"need both decisions of every case, got shapes {one.shape} and {two.shape}")
    only = int((one & ~two).sum()), int((two & ~one).sum())
    return McNemar(*only, p_value=float(binomtest(only[0], sum(only)).pvalue) if sum(only) else 1.0)


def paired_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike,
    *,
    thresholds: tuple[float, float],
    resamples: int = 10_000,
    seed: int = 0,
    leave_one_out: bool = False,
) -> Bootstrap:
    """Return all metrics of the first model minus those of the second, in the same resamples of patients.

    Args:
        first, second: (N,) probabilities of the positive class of either model.
        labels: (N,) 1 positive, 0 negative.
        patients: (N,) names; all cases of one name are drawn together.
        thresholds: smallest probability that either model calls positive.
        resamples: number of resamples R.
        seed: of the random numbers.
        leave_one_out: compute what BCa intervals need, too.
    """
    one, two = (
        bootstrap_diagnostic(
            probabilities,
            labels,
            patients,
            threshold=threshold,
            resamples=resamples,
            seed=seed,
            metrics=(*METRICS, *FURTHER_METRICS),
            leave_one_out=leave_one_out,
        )
        for probabilities, threshold in zip((first, second), thresholds, strict=True)
    )
    return Bootstrap(
        values={name: values - two.values[name] for name, values in one.values.items()},
        discarded=one.discarded,
        patients=one.patients,
        estimates={name: value - two.estimates[name] for name, value in one.estimates.items()},
        leave_one_out={name: values - two.leave_one_out[name] for name, values in one.leave_one_out.items()},
    )


def differences(
    bootstrap: Bootstrap, *, confidence: float = 0.95, kind: IntervalKind = "percentile"
) -> dict[str, Difference]:
    """Return every metric of `paired_bootstrap` with its interval and p-value."""
    return {
        name: Difference(value, *bootstrap.interval(name, confidence, kind), bootstrap_p_value(bootstrap.values[name]))
        for name, value in bootstrap.estimates.items()
    }


def area_difference(first: ArrayLike, second: ArrayLike, labels: ArrayLike, patients: ArrayLike) -> Difference | None:
    """Return the first model's AUC minus the second's by `delong_test`, with images summed by patient.

    Args:
        first, second: (N,) probabilities of the positive class of either model.
        labels: (N,) 1 positive, 0 negative.
        patients: (N,) names.

    Returns:
        None where a class has fewer than two patients, so that the test does not exist.
    """
    names, truth = np.asarray(patients), np.asarray(labels)
    if min(len(set(names[truth == label])) for label in (0, 1)) < 2:
        return None
    test = delong_test(first, second, labels, patients)
    return Difference(test.difference, test.low, test.high, test.p_value)


def bootstrap_p_value(values: ArrayLike) -> float:
    """Return the two-sided p-value of "no difference" from (R,) resampled differences, NaN values left out.

    Twice the share of resamples on the rarer side of zero, those at zero counting on both; at most 1. The data count
    as one more resample, so that it is never 0 (Davison and Hinkley 1997, section 4.2). It is below 1 - confidence
    where the percentile interval excludes zero, up to that one resample. NaN if all values are NaN.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return np.nan
    rarer = min(int((numbers <= 0.0).sum()), int((numbers >= 0.0).sum()))
    return min(1.0, 2.0 * (rarer + 1.0) / (len(numbers) + 1.0))


def holm(p_values: ArrayLike) -> Floats:
    """Return (K,) p-values adjusted for K comparisons (Holm 1979).

    Rejecting those below a level keeps the chance of any false rejection below that level, whatever the comparisons
    have to do with each other. Comparisons that could not be made (NaN) stay NaN and are not counted.

    Raises:
        ValueError: a value lies outside [0, 1].

    Examples:
        >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
        [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(given))
    if ((given[known] < 0.0) | (given[known] > 1.0)).any():
        raise ValueError(f"p-values must lie in [0, 1], got {given}")
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted = np.full(given.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * given[order]))
    return adjusted
