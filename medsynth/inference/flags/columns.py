"""Judgments as columns of a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medsynth.statistics.flags.reference import Judgment


def number_columns(numbers: Iterable[str]) -> list[str]:
    """Return the columns of a judgment."""
    return [*(column for name in numbers for column in (name, f"{name}_percentile")), "suspicion", "suspicious"]


def number_cells(judgment: Judgment | None, numbers: Iterable[str]) -> list[object]:
    """Return the cells of a judgment, empty where there is none."""
    if judgment is None:
        return [""] * len(number_columns(numbers))
    pairs = ((judgment.numbers[name], judgment.percentiles[name]) for name in numbers)
    figures = [f"{value:.6g}" for pair in pairs for value in pair]
    return [*figures, f"{judgment.suspicion:.6g}", judgment.reason]
