"""Whether the junctional zone is closed where it is closed in truth, and open where a lesion breaks through it."""

from __future__ import annotations

import math

import numpy as np

from medsynth.data.phantom_anatomy import Tissue

RAYS = 72
"""Directions around the cavity's center."""


def continuity(recovered: np.ndarray, tissues: np.ndarray, junction: int) -> tuple[float, float]:
    """Look along rays from the center of the true cavity and compare where they cross the junctional zone.

    Args:
        recovered: (H, W) classes.
        tissues: (H, W) true tissues.
        junction: value of the junctional zone in `recovered`.

    Returns:
        Of the rays that cross the true zone, the share that meets the recovered one there, give or take a pixel; of the
        rays that leave the cavity through a lesion instead, the share that meets no recovered zone before the
        lesion's end. NaN where there is no such ray.
    """
    inside = np.isin(tissues, (Tissue.ENDOMETRIUM, Tissue.LESION))
    if not inside.any():
        return math.nan, math.nan
    center = np.argwhere(inside).mean(axis=0)
    kept, spared = [], []
    for angle in np.linspace(0.0, 2.0 * math.pi, RAYS, endpoint=False):
        rows, columns = _ray(center, angle, tissues.shape)
        truth, found = tissues[rows, columns], recovered[rows, columns] == junction
        crossing = np.flatnonzero(truth == Tissue.JUNCTION)
        if len(crossing):
            kept.append(found[max(crossing[0] - 1, 0) : crossing[-1] + 2].any())
        elif (truth == Tissue.LESION).any():
            spared.append(not found[: np.flatnonzero(truth == Tissue.LESION)[-1] + 1].any())
    return tuple(float(np.mean(part)) if part else math.nan for part in (kept, spared))  # type: ignore[return-value]


def _ray(center: np.ndarray, angle: float, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels from the center outwards, one per pixel of length, inside the image."""
    steps = np.arange(math.ceil(math.hypot(*shape)))
    rows = np.round(center[0] + steps * math.sin(angle)).astype(int)
    columns = np.round(center[1] + steps * math.cos(angle)).astype(int)
    within = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows[within], columns[within]
