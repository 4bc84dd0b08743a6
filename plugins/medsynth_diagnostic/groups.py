"""Groups of test images by a further column of the manifest, such as center, device or lesion depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_NUMBERS = 6
"""Columns with more different numbers are cut into thirds."""


@dataclass(frozen=True)
class Group:
    """Some test images that have something in common."""

    name: str
    rows: np.ndarray
    """(N,) bool."""
    all_negatives: bool = False
    """Whether the column describes positive images only, so that they stand against all negative ones."""


@dataclass(frozen=True)
class Grouping:
    """The groups of one column: those that can be scored, and those that cannot."""

    column: str
    kept: tuple[Group, ...]
    left_out: tuple[Group, ...]


def grouping(
    column: str, values: Sequence[str] | np.ndarray, labels: np.ndarray, patients: np.ndarray, minimum: int
) -> Grouping | None:
    """Group images by a column.

    Numbers of more than six kinds are cut into thirds. A column that is empty or zero for every negative image but not
    for positive ones, such as the depth of a lesion, groups the positive images alone; each group is then compared
    with all negative images. An empty value puts an image into no group.

    Args:
        column: its name.
        values: (N,) text.
        labels: (N,) 1 positive, 0 negative.
        patients: (N,) names.
        minimum: images of either class that a group must have.

    Returns:
        None for a column that cannot make groups: fewer than two values, or names such as those of files, of which
        there are more than half as many as patients.
    """
    text = np.array([str(value).strip() for value in values], dtype=object)
    known, positive = text != "", np.asarray(labels) == 1
    numbers = _numbers(text, known)
    present = known if numbers is None else known & (numbers != 0.0)
    if _describes_positives(present, positive):
        cut = _cut(text, numbers, present, patients)
        groups = [Group(name, rows | ~positive, all_negatives=True) for name, rows in cut]
    else:
        groups = [Group(name, rows) for name, rows in _cut(text, numbers, known, patients)]
    if len(groups) < 2:
        return None
    enough = [min(counts(group, labels)) >= minimum for group in groups]
    kept, left_out = (
        tuple(group for group, fits in zip(groups, enough, strict=True) if fits == wanted) for wanted in (True, False)
    )
    return Grouping(column, kept, left_out)


def counts(group: Group, labels: np.ndarray) -> tuple[int, int]:
    """Return the group's positive and negative images."""
    positive = np.asarray(labels)[group.rows] == 1
    return int(positive.sum()), int((~positive).sum())


def _numbers(text: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """Return the values as numbers, NaN where empty; None unless all known ones are finite numbers."""
    try:
        numbers = np.array([float(value) if value else np.nan for value in text])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers[known]).all() else None


def _describes_positives(present: np.ndarray, positive: np.ndarray) -> bool:
    return bool(present.any() and not present[~positive].any() and present[positive].mean() > 0.5)


def _cut(
    text: np.ndarray, numbers: np.ndarray | None, members: np.ndarray, patients: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    """Return names and rows of the groups among `members`."""
    if numbers is not None and len(np.unique(numbers[members])) > MOST_NUMBERS:
        return _thirds(numbers, members)
    names = sorted(set(text[members]), key=lambda name: (float(name), name) if numbers is not None else (0.0, name))
    if len(names) > max(2.0, 0.5 * len(set(np.asarray(patients)[members]))):
        return []
    return [(name, members & (text == name)) for name in names]


def _thirds(numbers: np.ndarray, members: np.ndarray) -> list[tuple[str, np.ndarray]]:
    edges = np.unique(np.quantile(numbers[members], [1 / 3, 2 / 3]))
    place = np.searchsorted(edges, numbers, side="left")
    found = []
    for index in np.unique(place[members]):
        rows = members & (place == index)
        found.append((f"{numbers[rows].min():.4g} to {numbers[rows].max():.4g}", rows))
    return found
