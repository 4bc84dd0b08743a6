"""What synthesis was worth: the classifier trained with synthetic images against those trained without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medsynth.api import Predictions, Score, Subject
from medsynth.statistics import crossed_difference

CONTROLS = (Subject.REAL_ONLY, Subject.UNTRANSLATED)
"""Rows that synthesis has to beat: without further images, and with the labeled source images as they are."""
EVALUATOR, NAME = "synthesis", "gain"
"""Where scores.json holds gains; their subject is the row that is compared with."""
LEVEL = 0.05
"""p-values below it tell a difference from chance."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """AUC of the classifier trained with synthetic images minus that of another row, mean of the trainings.

    Args:
        against: the other row, one of `CONTROLS`.
        value, low, high: with 95 % interval over trainings and patients; see `crossed_difference`.
        p_value: of no difference.
        differences: of each training.
        patients: in the test set.
    """

    against: str
    value: float
    low: float
    high: float
    p_value: float
    differences: tuple[float, ...]
    patients: int

    @property
    def told(self) -> int:
        """1 if the gain can be told from chance, -1 if the loss can, else 0."""
        if not self.p_value < LEVEL:
            return 0
        return 1 if self.value > 0 else -1

    @property
    def basis(self) -> str:
        """Say what the interval is over."""
        trainings = len(self.differences)
        start = "one training," if trainings == 1 else f"{trainings} seeds and"
        return f"{start} {self.patients:,} patients"

    @property
    def shown(self) -> str:
        """Return the gain with its interval and p-value."""
        p_value = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.2g}"
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f}; {p_value})"

    def as_score(self) -> Score:
        """Return it as scores.json holds it."""
        listed = ", ".join(f"{value:+.4g}" for value in self.differences)
        luck = "its luck is not in the interval" if len(self.differences) == 1 else f"by seed {listed}"
        return Score(
            evaluator=EVALUATOR,
            name=NAME,
            subject=self.against,
            value=self.value,
            low=self.low,
            high=self.high,
            n=self.patients,
            higher_is_better=True,
            detail=f"AUC with synthetic images minus AUC of this row; {self.basis}; {luck}; p {self.p_value:.3g}",
        )


def gains(trainings: Sequence[Mapping[str, Predictions]]) -> list[Gain]:
    """Return the gain over each control that every training has, on the test patients that all of them judged.

    Args:
        trainings: predictions by row of each training; all of the same test images in the same order.

    Returns:
        Nothing where the test images are not the same or a class has fewer than two patients.
    """
    if not trainings or any(Subject.SYNTHETIC not in training for training in trainings):
        return []
    judged = trainings[0][Subject.SYNTHETIC]
    carriers = [len(np.unique(judged.patients[judged.labels == label])) for label in (0, 1)]
    if min(carriers) < 2:
        return []
    return [
        _gain(trainings, against, judged)
        for against in CONTROLS
        if all(against in training and _alike(training, against, judged) for training in trainings)
    ]


def _gain(trainings: Sequence[Mapping[str, Predictions]], against: str, judged: Predictions) -> Gain:
    main, other = (np.stack([t[row].probabilities for t in trainings]) for row in (Subject.SYNTHETIC, against))
    found = crossed_difference(main, other, judged.labels, judged.patients)
    return Gain(
        against=against,
        value=found.value,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        differences=found.differences,
        patients=found.patients,
    )


def _alike(training: Mapping[str, Predictions], against: str, judged: Predictions) -> bool:
    return all(
        np.array_equal(training[row].labels, judged.labels) and np.array_equal(training[row].patients, judged.patients)
        for row in (Subject.SYNTHETIC, against)
    )
