"""Where slices lie in space: DICOM's planes and NIfTI's affines, each from the other.

Arrays run (columns, rows, slices). An affine maps their indices to millimeters with axes towards right, anterior and
superior, as NIfTI has it; planes are given towards left, posterior and superior, as DICOM has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Plane:
    """A slice in space.

    Args:
        position: center of the first pixel (x, y, z) in mm; None if it is unknown.
        orientation: direction of a row's pixels, then of a column's, as unit vectors.
        spacing: distance of neighboring (rows, columns) in mm; None if it is unknown.
        thickness: of the slice in mm, 0 if it is unknown.
    """

    position: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float, float, float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    spacing: tuple[float, float] | None = None
    thickness: float = 0.0


def planes_of(affine: np.ndarray, count: int) -> list[Plane]:
    """Return the planes of a volume with `count` slices; without a place if rows and columns are not perpendicular."""
    lps = _RAS_FROM_LPS @ affine
    columns, rows, slices = (lps[:3, axis] for axis in range(3))
    lengths = [float(np.linalg.norm(vector)) for vector in (columns, rows, slices)]
    if min(lengths) == 0 or abs(columns @ rows) > _TOLERANCE * lengths[0] * lengths[1]:
        return [Plane()] * count
    orientation = (*(columns / lengths[0]).tolist(), *(rows / lengths[1]).tolist())
    return [
        Plane(tuple((lps[:3, 3] + k * slices).tolist()), orientation, (lengths[1], lengths[0]), lengths[2])
        for k in range(count)
    ]


def affine_of(planes: Sequence[Plane]) -> np.ndarray:
    """Return the (4, 4) affine of parallel, evenly spaced planes in the order of their slices.

    Without positions the volume starts at the origin; unknown distances are 1 mm.

    Raises:
        ValueError: the planes are not parallel, have different pixel sizes, or are not evenly spaced on one line.
    """
    first = planes[0]
    row_spacing, column_spacing = first.spacing or (1.0, 1.0)
    columns, rows = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = columns * column_spacing, rows * row_spacing
    affine[:3, 2] = np.cross(columns, rows) * (first.thickness or 1.0)
    if first.position is not None:
        affine[:3, 3] = first.position
        if len(planes) > 1:
            affine[:3, 2] = _step(planes)
    return np.asarray(_RAS_FROM_LPS @ affine)


def _step(planes: Sequence[Plane]) -> np.ndarray:
    """Return the vector from one slice to the next."""
    first = planes[0]
    for plane in planes:
        if plane.position is None or plane.spacing != first.spacing:
            raise ValueError("its slices have different pixel sizes, or no positions")
        if not np.allclose(plane.orientation, first.orientation, atol=_TOLERANCE):
            raise ValueError("its slices are not parallel")
    places = np.array([plane.position for plane in planes])
    step: np.ndarray = (places[-1] - places[0]) / (len(planes) - 1)
    even = places[0] + np.arange(len(planes))[:, None] * step
    length = float(np.linalg.norm(step))
    if length == 0 or np.abs(places - even).max() > max(0.1 * length, _TOLERANCE):
        raise ValueError("its slices are not evenly spaced")
    return step
