"""Whether the junctional zone is closed where it is closed in truth, and open where a lesion breaks through it."""

from __future__ import annotations

import math

import numpy as np

from medsynth.data.phantom.anatomy import Tissue

RAYS = 72
"""Directions around the cavity's center."""
_OUTSIDE = -1
"""What no tissue is: beyond the image."""


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
    rows, columns, within = _rays(np.argwhere(inside).mean(axis=0), tissues.shape)
    steps = np.arange(rows.shape[1])
    truth = np.where(within, tissues[rows, columns].astype(int), _OUTSIDE)
    found = within & (recovered[rows, columns] == junction)
    crossing, lesion = truth == Tissue.JUNCTION, truth == Tissue.LESION
    crosses, leaves = crossing.any(axis=1), lesion.any(axis=1) & ~crossing.any(axis=1)
    first, last = crossing.argmax(axis=1)[:, None], _last(crossing)
    kept = (found & (steps >= first - 1) & (steps <= last + 1)).any(axis=1)[crosses]
    spared = ~(found & (steps <= _last(lesion))).any(axis=1)[leaves]
    return tuple(float(np.mean(part)) if len(part) else math.nan for part in (kept, spared))  # type: ignore[return-value]


def _last(marked: np.ndarray) -> np.ndarray:
    """Return (RAYS, 1) the last marked step of each ray."""
    found: np.ndarray = marked.shape[1] - 1 - marked[:, ::-1].argmax(axis=1)
    return found[:, None]


def _rays(center: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels from the center outwards, one per pixel of length, and which are inside.

    All are (RAYS, L); pixels outside the image are moved to its border.
    """
    steps = np.arange(math.ceil(math.hypot(*shape)))
    angles = np.linspace(0.0, 2.0 * math.pi, RAYS, endpoint=False)[:, None]
    rows = np.round(center[0] + steps * np.sin(angles)).astype(int)
    columns = np.round(center[1] + steps * np.cos(angles)).astype(int)
    within = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1), within
