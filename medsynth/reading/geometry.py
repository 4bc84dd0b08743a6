"""From where slices lie to the affine of their volume, and what shape their pixels have."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medsynth.reading.records import Header, Image, Slice

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TOLERANCE = 1e-3
ASPECT_TOLERANCE = 0.01
"""Pixels whose sides differ by at most this share are square."""
ASPECT_DIGITS = 4


def normal(slice_: Slice) -> np.ndarray | None:
    """Return the unit vector (LPS) that is perpendicular to a slice, or None where its orientation is unknown."""
    if slice_.orientation is None:
        return None
    return np.cross(slice_.orientation[:3], slice_.orientation[3:])


def distance(slice_: Slice) -> float | None:
    """Return how far along its normal a slice lies in mm, or None where its place is unknown."""
    axis = normal(slice_)
    return None if axis is None or slice_.position is None else float(axis @ np.array(slice_.position))


def plane_name(slice_: Slice) -> str:
    """Return ``sag``, ``cor`` or ``tra``: the plane nearest to a slice; empty where its orientation is unknown."""
    axis = normal(slice_)
    return "" if axis is None else ("sag", "cor", "tra")[int(np.argmax(np.abs(axis)))]


def volume_affine(slices: Sequence[Slice]) -> tuple[np.ndarray | None, str]:
    """Return the affine (RAS) of slices in their order, or None with the sentence that says why there is none."""
    first = slices[0]
    if first.position is None or first.orientation is None or first.spacing is None:
        return None, "its place in space is unknown"
    step, problem = _step(slices)
    if step is None:
        return None, problem
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.spacing[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.spacing[0]
    affine[:3, 2], affine[:3, 3] = step, first.position
    return RAS_FROM_LPS @ affine, ""


def spacing_of(slices: Sequence[Slice], affine: np.ndarray | None) -> tuple[float, float, float]:
    """Return (column, row, slice) spacing in mm, 0 where unknown."""
    if affine is not None and len(slices) > 1:
        column, row, step = np.linalg.norm(affine[:3, :3], axis=0).tolist()
        return column, row, step
    rows, columns = slices[0].spacing or (0.0, 0.0)
    return columns, rows, slices[0].thickness


def _step(slices: Sequence[Slice]) -> tuple[np.ndarray | None, str]:
    """Return the vector (LPS) from one slice to the next, or why there is none."""
    first = slices[0]
    if len(slices) == 1:
        return np.asarray(normal(first)) * (first.thickness or 1.0), ""
    for one in slices:
        if one.position is None or one.spacing is None or not np.allclose(one.spacing, first.spacing or 0, rtol=1e-3):
            return None, "its slices have different pixel sizes, or no positions"
        if one.orientation is None or not np.allclose(one.orientation, first.orientation or 0, atol=_TOLERANCE):
            return None, "its slices are not parallel"
    places = np.array([one.position for one in slices])
    step: np.ndarray = (places[-1] - places[0]) / (len(places) - 1)
    length = float(np.linalg.norm(step))
    even = places[0] + np.arange(len(places))[:, None] * step
    if length == 0:
        return None, "its slices lie at one place"
    if np.abs(places - even).max() > max(0.1 * length, _TOLERANCE):
        gaps = np.linalg.norm(np.diff(places, axis=0), axis=1)
        return None, f"its slices are {gaps.min():g} to {gaps.max():g} mm apart: some are missing or overlap"
    return step, ""


def pixel_aspects(of: Header | Image) -> tuple[float, ...]:
    """Return for each slice the height of its pixels as a multiple of their width.

    It is 1 where that is unknown or nearly so, and rounded, so that whoever computes it gets the same number.
    """
    header = of if isinstance(of, Header) else of.header
    if header.kind == "dicom":
        first, count = (0, header.count) if isinstance(of, Header) else (of.index, len(of))
        return tuple(pixel_aspect(*(one.spacing or (one.aspect, 1.0))) for one in header.slices[first : first + count])
    column, row = of.spacing[:2] if of.affine is None else np.linalg.norm(of.affine[:3, :2], axis=0).tolist()
    return (pixel_aspect(row, column),) * (header.count if isinstance(of, Header) else len(of))


def pixel_aspect(row: float, column: float) -> float:
    """Return the height of a pixel as a multiple of its width; as `pixel_aspects` does."""
    ratio = row / column if min(row, column) > 0 else 1.0
    aspect = round(ratio, ASPECT_DIGITS) if math.isfinite(ratio) else 1.0
    return aspect if abs(aspect - 1) > ASPECT_TOLERANCE else 1.0
