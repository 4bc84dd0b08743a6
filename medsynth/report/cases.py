"""Single test images: what the main classifier said of each, and which of them a reader should see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Outcome = Literal["hit", "miss", "false alarm", "cleared"]
TITLES: dict[Outcome, str] = {
    "hit": "Hits", "miss": "Misses", "false alarm": "False alarms", "cleared": "Cleared",
}  # fmt: skip
CLOSE_SHARE = 0.05
"""Share of the images, those nearest to the threshold, that are flagged as close calls."""
LISTED = 2000
"""Rows of the table of images: a page of more would be slow, and predictions-synthetic.csv has them all."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One real test image with what the classifier trained with synthetic images said.

    Args:
        name: what the report calls it.
        image: (C, H, W) in [-1, 1].
        label: 1 positive, 0 negative.
        probability: of the positive class.
        threshold: a probability at or above it is called positive.
    """

    name: str
    image: np.ndarray
    label: int
    probability: float
    threshold: float

    @property
    def called(self) -> bool:
        """Whether it is called positive."""
        return self.probability >= self.threshold

    @property
    def outcome(self) -> Outcome:
        """Decision and truth in one word."""
        if self.label == 1:
            return "hit" if self.called else "miss"
        return "false alarm" if self.called else "cleared"

    @property
    def confidence(self) -> float:
        """Distance of the probability from the threshold, both as log odds."""
        return abs(_log_odds(self.probability) - _log_odds(self.threshold))


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(inside / (1 - inside))


def surest(cases: Sequence[Case], outcome: Outcome) -> list[Case]:
    """Return the images of one outcome, those first of which the classifier was most sure."""
    return sorted((case for case in cases if case.outcome == outcome), key=lambda case: -case.confidence)


def case_rows(cases: Sequence[Case]) -> list[tuple[str, str, str, str, str]]:
    """Return name, label, probability, decision and flag of the first `LISTED` images, as text.

    Flags are mistakes, and close calls: the `CLOSE_SHARE` of all images that lie nearest to the threshold.
    """
    words = ("negative", "positive")
    nearest = sorted(case.confidence for case in cases)[: math.ceil(CLOSE_SHARE * len(cases))]
    rows = []
    for case in cases[:LISTED]:
        flags = [{"miss": "missed", "false alarm": "false alarm"}.get(case.outcome, "")]
        flags += ["close call"] if case.confidence <= nearest[-1] else []
        shown = f"{case.probability:.4f}"
        rows.append((case.name, words[case.label], shown, words[case.called], ", ".join(filter(None, flags))))
    return rows
