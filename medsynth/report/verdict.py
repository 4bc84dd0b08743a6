"""The run's result in one sentence that claims no more than the intervals allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medsynth.api import Score

MAIN = "synthetic"
BASELINE = "real-only"
BEST_CASE = "oracle"


@dataclass(frozen=True)
class Verdict:
    """What a run showed about the value of synthesis.

    Args:
        tone: ``better`` and ``worse`` only where the intervals do not overlap.
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


def verdict(scores: Sequence[Score], metric: str = "roc_auc", label: str = "AUC") -> Verdict:
    """Compare the classifier trained with synthetic images with the one trained on real images only.

    Args:
        scores: those of the diagnostic evaluator are used.
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
    tone, conclusion = _compare(main, baseline)
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
