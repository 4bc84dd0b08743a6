"""The run's result in words that claim no more than the paired test allows, or without one the intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medsynth.api import Score, Subject
from medsynth.statistics.gain import Gain

Tone = Literal["better", "worse", "uncertain", "unknown"]
NOT_ENOUGH = "not enough cases"
"""How the detail of a score starts that was not measured for want of patients."""
NOT_DECIDED = "Whether synthesis helps is not decided"
_MEANINGS: dict[tuple[int, int | None], tuple[Tone, str]] = {
    (1, 1): ("better", "Synthesis helped"),
    (1, None): ("better", "Synthetic images helped"),
    (1, 0): ("uncertain", "Synthetic images helped, but whether more than the same images untranslated is not decided"),
    (1, -1): ("uncertain", "Synthetic images helped, but less than the same images untranslated"),
    (0, -1): ("uncertain", f"{NOT_DECIDED}, and the same images untranslated are worth more"),
}
"""By what can be told of the gain over real images only, and over the source images as they are (None: no such row)."""


@dataclass(frozen=True)
class RunVerdict:
    """What a run showed about the value of synthesis.

    Args:
        tone: ``better`` and ``worse`` only where the test tells the difference from chance, or without a test where
            the intervals do not overlap; ``better`` also asks for more than the untranslated images gave.
        sentence: the verdict.
        remarks: what should be kept in mind with it.
        answer: the same in one short sentence; empty where nothing was compared.
    """

    tone: Tone
    sentence: str
    remarks: tuple[str, ...] = ()
    answer: str = ""


def find(scores: Sequence[Score], name: str, subject: str) -> Score | None:
    """Return the first finite score of that name and subject, or None."""
    found = (s for s in scores if s.name == name and s.subject == subject and math.isfinite(s.value))
    return next(found, None)


def verdict(scores: Sequence[Score], gains: Sequence[Gain] = ()) -> RunVerdict:
    """Compare the classifier trained with synthetic images with those trained without them.

    Args:
        scores: AUC of the rows.
        gains: with their tests; without one over real images only, intervals that do not overlap tell from chance.
    """
    main, baseline = find(scores, "roc_auc", Subject.SYNTHETIC), find(scores, "roc_auc", Subject.REAL_ONLY)
    remarks = _remarks(scores)
    if main is None and baseline is None:
        few = next((s.detail for s in scores if s.name == "roc_auc" and s.detail.startswith(NOT_ENOUGH)), "")
        reason = f"{few[:1].upper()}{few[1:]}" if few else "No AUC was measured"
        return RunVerdict("unknown", f"{reason}, so nothing can be said about the value of synthesis.")
    if main is None:
        assert baseline is not None
        sentence = f"Real only AUC {shown(baseline)}; there is no classifier trained with synthetic images to compare."
        return RunVerdict("unknown", sentence, remarks)
    start = f"AUC {shown(main)} with synthetic images"
    if baseline is None:
        sentence = f"{start}; without a row trained on real images only, the value of synthesis is unknown."
        return RunVerdict("unknown", sentence, remarks)
    over = {gain.against: gain for gain in gains}
    if Subject.REAL_ONLY not in over:
        tone, conclusion = _compare(main, baseline)
        sentence = f"{start} against {shown(baseline)} real only: {conclusion}."
        return RunVerdict(tone, sentence, remarks)
    tone, meaning = meaning_of(gains)
    sentence = (
        f"{meaning}: {start} against {shown(baseline)} real only, a difference of {over[Subject.REAL_ONLY].shown}"
    )
    control = find(scores, "roc_auc", Subject.UNTRANSLATED)
    if control and Subject.UNTRANSLATED in over:
        sentence += f", and {shown(control)} with the source images untranslated, of {over[Subject.UNTRANSLATED].shown}"
    return RunVerdict(
        tone,
        f"{sentence}; {over[Subject.REAL_ONLY].basis}.",
        (*remarks, *_cautions(gains)),
        in_words(over[Subject.REAL_ONLY]),
    )


def in_words(gain: Gain) -> str:
    """Return what a gain over real images only says, e.g. ``Synthetic images raised AUC by 0.03 (0.01 to 0.05).``"""
    value, low, high = gain.value, gain.low, gain.high
    if gain.told > 0:
        return f"Synthetic images raised AUC by {value:.2f} ({low:.2f} to {high:.2f})."
    if gain.told < 0:
        return f"Synthetic images lowered AUC by {-value:.2f} ({-high:.2f} to {-low:.2f})."
    return f"Whether synthetic images change AUC is open: {value:+.2f} ({low:+.2f} to {high:+.2f})."


def meaning_of(gains: Sequence[Gain]) -> tuple[Tone, str]:
    """Return in words what gains say, which must include the one over real images only."""
    told = {gain.against: gain.told for gain in gains}
    if told[Subject.REAL_ONLY] < 0:
        return "worse", "Synthesis did harm"
    return _MEANINGS.get((told[Subject.REAL_ONLY], told.get(Subject.UNTRANSLATED)), ("uncertain", NOT_DECIDED))


def _cautions(gains: Sequence[Gain]) -> list[str]:
    found = []
    if Subject.UNTRANSLATED not in {gain.against for gain in gains}:
        found.append(
            "There is no row with the source images untranslated: a gain may be that of more labels, not of synthesis."
        )
    if len(gains[0].differences) == 1:
        found.append("One training of each was tested: its luck is not in the interval.")
    else:
        found.append("The intervals of the differences are over other seeds and other patients of this kind at once.")
    return found


def shown(score: Score) -> str:
    """Return a value with its interval, e.g. ``0.93 (0.88 to 0.97)``."""
    interval = finite_interval(score)
    return f"{score.value:.2f}" if interval is None else f"{score.value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def is_few(score: Score) -> bool:
    """Tell whether a score has no value because there are not enough cases."""
    return math.isnan(score.value) and score.detail.startswith(NOT_ENOUGH)


def finite_interval(score: Score) -> tuple[float, float] | None:
    """Return the interval if both ends are known and finite."""
    if score.low is None or score.high is None or not (math.isfinite(score.low) and math.isfinite(score.high)):
        return None
    return score.low, score.high


def _compare(main: Score, baseline: Score) -> tuple[Tone, str]:
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


def _remarks(scores: Sequence[Score]) -> tuple[str, ...]:
    remarks = []
    main, best = find(scores, "roc_auc", Subject.SYNTHETIC), find(scores, "roc_auc", Subject.ORACLE)
    interval = finite_interval(main) if main else None
    if interval and interval[0] <= 0.5 <= interval[1]:
        remarks.append("The interval includes 0.5: this classifier cannot be told from guessing.")
    if best is not None:
        remarks.append(
            f"The oracle, trained with true counterparts instead of synthetic images, has AUC {shown(best)}."
        )
    if main is not None and main.n:
        remarks.append(f"Measured on {main.n:,} real test images.")
    return tuple(remarks)
