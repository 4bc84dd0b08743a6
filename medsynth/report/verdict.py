"""The run's result in one sentence that claims no more than the paired test allows, or without one the intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from medsynth.api import Predictions, Score
from medsynth.statistics import area_difference

MAIN = "synthetic"
BASELINE = "real-only"
BEST_CASE = "oracle"
LEVEL = 0.05
"""p-values below it tell a difference from chance."""


@dataclass(frozen=True)
class Gain:
    """AUC of the classifier trained with synthetic images minus that of the one trained on real images only.

    Args:
        value, low, high: with interval.
        p_value: of no difference.
        test: how the p-value was had.
        caution: what the test does not cover.
    """

    value: float
    low: float
    high: float
    p_value: float
    test: str
    caution: str


@dataclass(frozen=True)
class Verdict:
    """What a run showed about the value of synthesis.

    Args:
        tone: ``better`` and ``worse`` only where the test tells the difference from chance, or without a test where
            the intervals do not overlap.
        sentence: the verdict.
        remarks: what should be kept in mind with it.
    """

    tone: Literal["better", "worse", "uncertain", "unknown"]
    sentence: str
    remarks: tuple[str, ...] = ()


def find(scores: Sequence[Score], name: str, subject: str) -> Score | None:
    """Return the first finite score of that name and subject, or None."""
    found = (s for s in scores if s.name == name and s.subject == subject and math.isfinite(s.value))
    return next(found, None)


def gain_on_images(predictions: Mapping[str, Predictions]) -> Gain | None:
    """Test the difference on the same test images; None where they or a second patient of a class are missing."""
    main, baseline = predictions.get(MAIN), predictions.get(BASELINE)
    if main is None or baseline is None:
        return None
    found = area_difference(main.probabilities, baseline.probabilities, main.labels, main.patients)
    if found is None:
        return None
    caution = "One training of each was tested: trained with another seed, the difference may be another."
    test = "DeLong's test on the same images"
    return Gain(found.value, found.low, found.high, found.p_value, test, caution)


def gain_over_seeds(main: Sequence[float], baseline: Sequence[float]) -> Gain | None:
    """Test the difference over trainings, seed by seed (paired t-test); None with fewer than two seeds.

    Args:
        main, baseline: (S,) AUC by seed.
    """
    difference = np.asarray(main, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    if len(difference) < 2 or not np.isfinite(difference).all():
        return None
    mean, error = float(difference.mean()), float(difference.std(ddof=1)) / len(difference) ** 0.5
    if error == 0.0:
        return Gain(mean, mean, mean, float(mean == 0.0), f"equal in all {len(difference)} seeds", _SAME_IMAGES)
    half = float(stats.t.ppf(1.0 - LEVEL / 2, len(difference) - 1)) * error
    p_value = float(stats.ttest_1samp(difference, 0.0).pvalue)
    return Gain(mean, mean - half, mean + half, p_value, f"paired t-test over {len(difference)} seeds", _SAME_IMAGES)


_SAME_IMAGES = "All seeds were tested on the same images: on others the difference may be another."


def verdict(
    scores: Sequence[Score], gain: Gain | None = None, *, metric: str = "roc_auc", label: str = "AUC"
) -> Verdict:
    """Compare the classifier trained with synthetic images with the one trained on real images only.

    Args:
        scores: those of the diagnostic evaluator are used.
        gain: the difference with its test; without one, intervals that do not overlap tell it from chance.
        metric: name of a score of which more is better.
        label: how the sentence calls it.
    """
    main, baseline = find(scores, metric, MAIN), find(scores, metric, BASELINE)
    remarks = _remarks(scores, metric, label)
    if main is None and baseline is None:
        return Verdict("unknown", f"No {label} was measured, so nothing can be said about the value of synthesis.")
    if main is None:
        assert baseline is not None
        sentence = (
            f"Real only {label} {shown(baseline)}; there is no classifier trained with synthetic images to compare."
        )
        return Verdict("unknown", sentence, remarks)
    start = f"With synthetic pre-training {label} {shown(main)}"
    if baseline is None:
        sentence = f"{start}; without a row trained on real images only, the value of synthesis is unknown."
        return Verdict("unknown", sentence, remarks)
    tone, conclusion = _compare(main, baseline) if gain is None else _tested(gain)
    remarks = (*remarks, gain.caution) if gain else remarks
    return Verdict(tone, f"{start} against {shown(baseline)} real only: {conclusion}.", remarks)


def shown(score: Score) -> str:
    """Return a value with its interval, e.g. ``0.93 (0.88 to 0.97)``."""
    interval = finite_interval(score)
    return f"{score.value:.2f}" if interval is None else f"{score.value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def finite_interval(score: Score) -> tuple[float, float] | None:
    """Return the interval if both ends are known and finite."""
    if score.low is None or score.high is None or not (math.isfinite(score.low) and math.isfinite(score.high)):
        return None
    return score.low, score.high


def _tested(gain: Gain) -> tuple[Literal["better", "worse", "uncertain"], str]:
    p_value = "p < 0.001" if gain.p_value < 0.001 else f"p = {gain.p_value:.2g}"
    interval = f"{gain.low:+.2f} to {gain.high:+.2f}"
    start = f"the difference of {gain.value:+.2f} ({interval}; {p_value}, {gain.test})"
    if not gain.p_value < LEVEL:
        return "uncertain", f"{start} cannot be told from chance"
    if gain.value > 0:
        return "better", f"{start} is no chance, so synthetic images helped on this test set"
    return "worse", f"{start} is no chance, so synthetic images did harm on this test set"


def _compare(main: Score, baseline: Score) -> tuple[Literal["better", "worse", "uncertain"], str]:
    gain = main.value - baseline.value
    change = "gain" if gain > 0 else "loss"
    ours, theirs = finite_interval(main), finite_interval(baseline)
    if gain == 0:
        return "uncertain", "no difference was seen"
    if ours is None or theirs is None:
        return "uncertain", f"without intervals the {change} of {abs(gain):.2f} cannot be told from chance"
    if ours[0] > theirs[1]:
        return "better", "the intervals do not overlap, so synthetic images helped on this test set"
    if ours[1] < theirs[0]:
        return "worse", "the intervals do not overlap, so synthetic images did harm on this test set"
    return "uncertain", f"the intervals overlap, so the {change} is not certain"


def _remarks(scores: Sequence[Score], metric: str, label: str) -> tuple[str, ...]:
    remarks = []
    main, best = find(scores, metric, MAIN), find(scores, metric, BEST_CASE)
    interval = finite_interval(main) if main else None
    if interval and interval[0] <= 0.5 <= interval[1] and metric == "roc_auc":
        remarks.append("The interval includes 0.5: this classifier cannot be told from guessing.")
    if best is not None:
        remarks.append(
            f"The oracle, trained with true counterparts instead of synthetic images, has {label} {shown(best)}."
        )
    if main is not None and main.n:
        remarks.append(f"Measured on {main.n:,} real test images.")
    return tuple(remarks)
