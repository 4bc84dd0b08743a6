"""Images that stand out from the others of their domain, each with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from medsynth.data.formats.probing import Facts
from medsynth.data.images import Images

FAR = 5.0
"""Robust standard deviations from the median beyond which an image is unusual."""
_SCALE = 1.4826
"""Turns the median distance from the median into the standard deviation of normal values."""
_USUAL_SIZE, _RARE_SIZE = 0.8, 0.05
_MEASURES = ("brightness", "contrast", "sharpness", "darkest pixels")
_FEWEST = 8
"""Images below which nothing can be called usual."""


def unusual(images: Images, facts: Mapping[str, Facts], most: int = 12) -> list[tuple[int, str]]:
    """Return the images that stand out most, each by its index with the reason, the most unusual first.

    Brightness, contrast, sharpness and the share of darkest pixels, as networks will see them, are compared with the
    median over the domain in robust standard deviations; sizes of files with the size that most have.

    Args:
        images: of one domain.
        facts: by `Record.image`.
        most: so many at most.
    """
    if len(images) < _FEWEST:
        return []
    values = np.array([measures(images.read(index)) for index in range(len(images))])
    distance = robust_distance(values)
    found: dict[int, tuple[float, str]] = {}
    for index in np.flatnonzero(distance.max(axis=1) > FAR).tolist():
        which = int(distance[index].argmax())
        low, high = np.percentile(values[:, which], [5, 95])
        reason = f"{_MEASURES[which]} {values[index, which]:.2f}; usual are {low:.2f} to {high:.2f}"
        found[index] = (float(distance[index, which]), reason)
    for index, reason in _sizes([facts[record.image].shape[:2] for record in images.records]):
        found.setdefault(index, (FAR, reason))
    order = sorted(found, key=lambda index: (-found[index][0], index))
    return [(index, found[index][1]) for index in order[:most]]


def measures(image: np.ndarray) -> list[float]:
    """Return brightness, contrast, sharpness and the share of darkest pixels of a (C, H, W) image in [-1, 1].

    Sharpness is the mean absolute difference of neighbors in units of the contrast.
    """
    grey = image.mean(axis=0, dtype=np.float64)
    spread = float(grey.std())
    steps = (np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2
    return [float(grey.mean()), spread, float(steps) / max(spread, 1e-6), float((grey <= -0.99).mean())]


def robust_distance(values: np.ndarray) -> np.ndarray:
    """Return (N, M) distances of (N, M) values from the median of each column in robust standard deviations.

    A column in which more than half of the values are equal is scaled by its mean distance from the median instead.
    """
    away = np.abs(values - np.median(values, axis=0))
    spread = _SCALE * np.median(away, axis=0)
    spread = np.where(spread > 0, spread, away.mean(axis=0))
    return np.asarray(np.divide(away, spread, out=np.zeros_like(away), where=spread > 0))


def _sizes(shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, str]]:
    """Return the images of a size that few have, where most have one and the same."""
    counts = Counter(shapes)
    usual, count = counts.most_common(1)[0]
    if count < _USUAL_SIZE * len(shapes):
        return []
    said = f"{count / len(shapes):.0%} are {usual[0]} x {usual[1]}".replace("%", " %")
    return [
        (index, f"{shape[0]} x {shape[1]} pixels; {said}")
        for index, shape in enumerate(shapes)
        if shape != usual and counts[shape] < _RARE_SIZE * len(shapes) + 1
    ]
