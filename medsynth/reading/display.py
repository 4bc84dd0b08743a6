"""Volumes as a radiologist sees them: rows and columns in the usual directions, values within the file's window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medsynth.reading.records import Image, Slice

_USUAL = {"S": "LP", "I": "LP", "L": "PI", "R": "PI", "A": "LI", "P": "LI"}
"""By the direction of the slices: where columns and rows run to."""


def display_axes(affine: np.ndarray | None) -> str:
    """Return where columns, rows and slices of a volume run to once it is upright, e.g. ``LPS``; empty where unknown.

    Example:
        >>> display_axes(np.eye(4))
        'LPS'
    """
    import nibabel as nib

    letters = [] if affine is None else [letter for letter in nib.aff2axcodes(affine) if letter]
    return _USUAL[letters[2]] + letters[2] if len(letters) == 3 else ""


def upright(image: Image) -> Image:
    """Return a volume whose rows and columns run as in the usual display, by flips and a swap of the two.

    Columns run to the left (sagittal slices: to posterior) and rows to posterior (others: to inferior); slices stay in
    their order. An image without a place, and a file of two axes, is returned as it is.
    """
    axes = "" if image.header.flat else display_axes(image.affine)
    if image.affine is None or not axes:
        return image
    from nibabel import orientations

    now = orientations.io_orientation(image.affine)
    wanted = orientations.axcodes2ornt(tuple(axes))
    change = orientations.ornt_transform(now, wanted)
    if np.array_equal(change, [[0, 1], [1, 1], [2, 1]]):
        return image
    shape = image.values.shape[2::-1]
    affine = image.affine @ orientations.inv_ornt_aff(change, shape)
    column, row, step = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return replace(
        image,
        values=_turned(image.values, change),
        padding=None if image.padding is None else _turned(image.padding, change),
        affine=affine,
        spacing=(column, row, step),
    )


def windowed(image: Image) -> np.ndarray:
    """Return values within the window that each slice recommends, (slices, rows, columns) float32 in [0, 1].

    Source: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3.

    Raises:
        ValueError: a slice recommends none.
    """
    start = image.index
    slices = image.header.slices[start : start + len(image)]
    if len(slices) < len(image) or any(one.window is None for one in slices):
        raise ValueError(f"{image.header.path} recommends no window")
    return np.stack([_within(values, one) for values, one in zip(image.values, slices, strict=True)])


def _turned(values: np.ndarray, change: np.ndarray) -> np.ndarray:
    from nibabel.orientations import apply_orientation

    turned = apply_orientation(values.swapaxes(0, 2), change)
    return np.ascontiguousarray(turned.swapaxes(0, 2))


def _within(values: np.ndarray, one: Slice) -> np.ndarray:
    center, width = one.window or (0.0, 1.0)
    x = values.astype(np.float64)
    if one.curve == "SIGMOID":
        share = 1 / (1 + np.exp(-4 * (x - center) / width))
    elif one.curve == "LINEAR_EXACT":
        share = (x - center) / width + 0.5
    else:
        share = (x - (center - 0.5)) / max(width - 1, 1e-9) + 0.5
    clipped: np.ndarray = np.clip(share, 0, 1).astype(np.float32)
    return clipped
