"""From where slices lie to the affine of their volume, and from oblong pixels to square ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medsynth.reading.records import Image, Slice

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TOLERANCE = 1e-3
_OBLONG = 0.01
"""Pixels whose sides differ by less than this share are square."""


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


def square_pixels(image: Image) -> Image:
    """Return an image whose pixels are as wide as high, interpolated linearly along the coarser axis.

    The finer spacing becomes that of both axes; the field of view stays what it was to half a pixel. An image with
    square or unknown pixels is returned as it is.
    """
    column, row, step = image.spacing
    if column == row == 0 and "aspect" in image.header.extra:
        scaled = square_pixels(replace(image, spacing=(1.0, image.header.extra["aspect"], step)))
        return replace(scaled, spacing=image.spacing)
    if min(column, row) <= 0 or abs(column - row) <= _OBLONG * min(column, row):
        return image
    axis, ratio = (1, row / column) if row > column else (2, column / row)
    size = max(1, round(image.values.shape[axis] * ratio))
    scale = image.values.shape[axis] / size
    values = _stretch(image.values, axis, size)
    padding = None if image.padding is None else _stretch(image.padding, axis, size) > 0
    affine = None
    if image.affine is not None:
        affine = image.affine.copy()
        k = 1 if axis == 1 else 0
        affine[:3, 3] += affine[:3, k] * (scale - 1) / 2  # the outer edges stay in place, centers move
        affine[:3, k] *= scale
    spacing = (column, row * scale, step) if axis == 1 else (column * scale, row, step)
    note = f"pixels of {row:g} x {column:g} mm were made square"
    return replace(image, values=values, padding=padding, affine=affine, spacing=spacing, notes=(*image.notes, note))


def _stretch(values: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Resize one axis linearly, as if each pixel were a cell and its value that of the center."""
    length = values.shape[axis]
    places = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    below = np.minimum(places.astype(int), max(length - 2, 0))
    above = np.minimum(below + 1, length - 1)
    shape = [1] * values.ndim
    shape[axis] = size
    weight = (places - below).astype(np.float32).reshape(shape)
    floats = values.astype(np.float32)
    result: np.ndarray = floats.take(below, axis) * (1 - weight) + floats.take(above, axis) * weight
    return result
