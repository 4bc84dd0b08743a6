"""The table of predictions: its columns, and how its values are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medsynth.inference.flags.columns import number_cells, number_columns

if TYPE_CHECKING:
    from medsynth.statistics.flags.reference import Judgment

COLUMNS = ("file", "probability", "decision", "error", "patient", "class", "threshold")
INTERVAL = ("file", "probability", "decision", "low", "high", "error", "patient", "class", "threshold")
PLACES = 6
"""Decimals of a probability, unless it lies so close to the threshold that more are needed to tell on which side."""


@dataclass(frozen=True, kw_only=True)
class PredictedRow:
    """A line of the table.

    Args:
        file: its path, with ``#index`` for a slice or frame of several.
        name: of the image below the folder that all inputs share, unique.
        index: of a slice or frame within a file of several, from 0.
        patient: as a manifest or a file's path names it; empty where neither does.
        probability: of the positive class; None where there is an error.
        low, high: interval from test-time augmentation, if asked for.
        judgment: how unusual the image is, if asked for.
        error: what is wrong.
        report: name of the structured report that speaks of the image, if there is one.
    """

    file: str
    name: str = ""
    index: int | None = None
    patient: str = ""
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    judgment: Judgment | None = None
    error: str = ""
    report: str = ""

    def cells(
        self,
        *,
        threshold: float,
        classes: tuple[str, str],
        interval: bool,
        judged: bool,
        reported: bool = False,
    ) -> list[object]:
        """Return the row in the order of `columns`.

        Args:
            threshold: a probability at or above it is called positive.
            classes: names of the negative and the positive class.
            interval: whether the table has columns for its ends.
            judged: whether it has columns for the judgment.
            reported: whether it has one for the report.
        """
        last = number_cells(self.judgment, [_number()]) if judged else []
        last += [self.report] if reported else []
        ends = [_shown(self.low, threshold), _shown(self.high, threshold)] if interval else []
        if self.probability is None:
            return [self.file, "", "", *ends, self.error, self.patient, "", repr(threshold), *last]
        called = int(self.probability >= threshold)
        shown = _shown(self.probability, threshold)
        named = [self.patient, classes[called], repr(threshold)]
        return [self.file, shown, called, *ends, self.error, *named, *last]


def columns(*, interval: bool, judged: bool, reported: bool = False) -> list[str]:
    """Return the table's columns; those of the judgment and the report stand at the end."""
    always = INTERVAL if interval else COLUMNS
    return [*always, *(number_columns([_number()]) if judged else []), *(["report"] if reported else [])]


def _number() -> str:
    from medsynth.statistics.flags.reference import REAL  # statistics take longer to import than images to predict

    return REAL


def _shown(value: float | None, threshold: float) -> str:
    """Return a probability with `PLACES` decimals, or all where fewer would put it on the threshold's other side."""
    if value is None:
        return ""
    text = f"{value:.{PLACES}f}"
    return text if (float(text) >= threshold) == (value >= threshold) else repr(value)
