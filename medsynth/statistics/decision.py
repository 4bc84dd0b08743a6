"""Decision curve: what acting on a model's probability is worth at each threshold. Letters: N cases, T thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medsynth.statistics.bootstrap import patient_draws, times_drawn
from medsynth.statistics.scores.diagnostic import Floats, checked


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit per person, in true positives; calling nobody positive has 0."""

    thresholds: Floats
    """(T,) probabilities in (0, 1) from which on a person would be treated."""
    model: Floats
    """(T,) treating those whose probability is at least the threshold."""
    everybody: Floats
    """(T,) treating everybody."""
    low: Floats
    """(T,) pointwise percentile interval of `model` from resamples of patients; NaN with a single patient."""
    high: Floats


def net_benefit(probabilities: ArrayLike, labels: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Return (T,) net benefits: TP / N - FP / N * t / (1 - t) (Vickers and Elkin 2006).

    The threshold t says how many false positives one true positive is worth, (1 - t) / t of them: who would treat nine
    healthy persons for one diseased acts from a probability of 0.1 on. It presumes honest probabilities.

    Args:
        probabilities: (N,) probability of the positive class.
        labels: (N,) 1 positive, 0 negative.
        thresholds: (T,) in (0, 1).

    Raises:
        ValueError: a threshold lies outside (0, 1), or there is no case.
    """
    benefits: Floats = _benefits(probabilities, labels, thresholds).mean(axis=0)
    return benefits


def decision_curve(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike,
    thresholds: ArrayLike,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> DecisionCurve:
    """Return the net benefit over thresholds of a model and of treating everybody; see `net_benefit`.

    Args:
        probabilities: (N,) probability of the positive class.
        labels: (N,) 1 positive, 0 negative.
        patients: (N,) names; all cases of one name are drawn together.
        thresholds: (T,) in (0, 1).
        resamples: number of resamples.
        confidence: share of resamples inside the interval.
        seed: of the random numbers.
    """
    benefits = _benefits(probabilities, labels, thresholds)
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    sums, sizes = np.zeros((len(names), benefits.shape[1])), np.bincount(owner, minlength=len(names))
    np.add.at(sums, owner, benefits)
    ends = np.full((2, benefits.shape[1]), np.nan)
    if len(names) > 1 and resamples:
        drawn = [times_drawn(draws, len(names)) for draws in patient_draws(len(names), resamples, seed=seed)]
        found = np.concatenate([(times.T @ sums) / (times.T @ sizes)[:, None] for times in drawn])
        tail = 0.5 * (1.0 - confidence)
        ends = np.quantile(found, [tail, 1.0 - tail], axis=0)
    everybody = net_benefit(np.ones(len(benefits)), labels, thresholds)
    return DecisionCurve(np.asarray(thresholds, dtype=np.float64), benefits.mean(axis=0), everybody, ends[0], ends[1])


def _benefits(probabilities: ArrayLike, labels: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Return (N, T): 1 for a true positive, -t / (1 - t) for a false one, 0 for who is not called positive."""
    values, positive = checked(probabilities, labels)
    cuts = np.asarray(thresholds, dtype=np.float64)
    if not len(values) or cuts.ndim != 1 or ((cuts <= 0.0) | (cuts >= 1.0)).any():
        raise ValueError(f"need cases and thresholds between 0 and 1, got {len(values)} cases and thresholds {cuts}")
    worth = np.where(positive[:, None], 1.0, -cuts / (1.0 - cuts))
    return np.where(values[:, None] >= cuts, worth, 0.0)
