"""DICOM files to physical values: modality rules of the standard, padding kept apart, low-is-white inverted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.base.errors import InputError
from medsynth.reading.dicom.dicom_header import header_of
from medsynth.reading.dicom.dicom_pixels import stored_values
from medsynth.reading.dicom.dicom_tags import Tags, open_dicom
from medsynth.reading.geometry import spacing_of, volume_affine
from medsynth.reading.records import Header, Image, Slice
from medsynth.reading.volumes.chosen_volume import choose_volume

_LARGEST_EXACT = 2**24
"""Up to here float32 holds every whole number."""


def read_dicom(path: Path, volume: int | None = None, index: int | None = None) -> Image:
    """Decode a DICOM file: all frames, those of one volume, or one frame.

    Args:
        path: the file.
        volume: which of several volumes, from 0; None for all frames, which then have no common affine.
        index: of one slice, in the order of reading.

    Raises:
        NoImageError: it is in order, but no image.
        InputError: it cannot be decoded, or is incomplete.
    """
    data = open_dicom(path, pixels=True)
    header = header_of(path, data)
    if index is not None:
        return _image(data, header, [_slice_at(header, index)], index)
    chosen, start = header.slices, 0
    if volume is not None:
        start = choose_volume(path, header.volumes, volume) * header.shape[0]
        chosen = header.slices[start : start + header.shape[0]]
    return _image(data, header, chosen, start)


def iterate_dicom(path: Path, indices: Sequence[int] | None = None) -> Iterator[Image]:
    """Decode the frames of a file one after another.

    Raises:
        as `read_dicom`.
    """
    data = open_dicom(path, pixels=True)
    header = header_of(path, data)
    for index in range(header.count) if indices is None else indices:
        yield _image(data, header, [_slice_at(header, index)], index)


def _slice_at(header: Header, index: int) -> Slice:
    if not 0 <= index < header.count:
        raise InputError(f"{header.path} has no slice {index}", hint=f"Its slices are 0 to {header.count - 1}.")
    return header.slices[index]


def _image(data: Any, header: Header, slices: Sequence[Slice], start: int) -> Image:
    number = slices[0].number if len(slices) == 1 else None
    stored = stored_values(header.path, data, number, header.count)
    if number is None:
        stored = stored[[one.number for one in slices]]
    padding = _padding(data, stored) if header.channels == 1 else None
    values = _physical(data, header, stored, slices) if header.channels == 1 else stored
    affine, _ = volume_affine(slices)
    notes = (
        (*header.notes, "values inverted: the file says that low ones are bright") if header.inverted else header.notes
    )
    return Image(
        values=values,
        header=header,
        affine=affine,
        spacing=spacing_of(slices, affine),
        index=start,
        padding=padding,
        notes=notes,
    )


def _padding(data: Any, stored: np.ndarray) -> np.ndarray | None:
    """Return where the scanner wrote its padding value, or a value up to the padding limit; None if nowhere."""
    tags = Tags(data, [])
    value = tags.numbers("PixelPaddingValue")
    if not value:
        return None
    first = _as_stored(value[0], stored.dtype)
    limit = tags.numbers("PixelPaddingRangeLimit")
    last = _as_stored(limit[0], stored.dtype) if limit else first
    mask = (stored >= min(first, last)) & (stored <= max(first, last))
    return mask if mask.any() else None


def _as_stored(value: float, dtype: np.dtype[Any]) -> float:
    """Return a padding value in the sign of the pixels: many files write 63536 where they mean -2000."""
    if dtype.kind != "i" and dtype.kind != "u":
        return value
    size = 2.0 ** (8 * dtype.itemsize)
    limits = np.iinfo(dtype)
    if value > limits.max:
        return value - size
    return value + size if value < limits.min else value


def _physical(data: Any, header: Header, stored: np.ndarray, slices: Sequence[Slice]) -> np.ndarray:
    """Apply the modality table or the rescaling of each slice, then invert where low values are bright."""
    low, high = _range(data, stored)
    table = "ModalityLUTSequence" in data and bool(data.ModalityLUTSequence)
    if table:
        from pydicom.pixels.processing import apply_modality_lut

        values: np.ndarray = apply_modality_lut(stored, data)
        entries = np.asarray(data.ModalityLUTSequence[0].LUTData)
        ends = (0.0, float(2 ** int(data.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)) if entries.size else (low, high)
        return _inverted(values, ends) if header.inverted else values
    dose = Tags(data, []).number("DoseGridScaling")
    pairs = [(dose, 0.0)] * len(slices) if dose else [(one.slope, one.intercept) for one in slices]
    if all(pair == (1.0, 0.0) for pair in pairs):
        return _inverted(stored, (low, high)) if header.inverted else _exact(stored)
    slope, intercept = (np.array(column)[:, None, None] for column in zip(*pairs, strict=True))
    values = stored * slope + intercept
    if header.inverted:
        values = _inverted(values, (low * slope + intercept, high * slope + intercept))
    return values.astype(np.float32)


def _range(data: Any, stored: np.ndarray) -> tuple[float, float]:
    """Return the smallest and largest value that can be stored."""
    if stored.dtype.kind == "f":
        return float(stored.min()), float(stored.max())
    bits = int(data.get("BitsStored") or 8 * stored.dtype.itemsize)
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if stored.dtype.kind == "i" else (0.0, 2.0**bits - 1)


def _inverted(values: np.ndarray, ends: tuple[Any, Any]) -> np.ndarray:
    if values.dtype.kind == "f":
        mirrored: np.ndarray = ends[0] + ends[1] - values
        return mirrored
    turned = int(ends[0] + ends[1]) - values.astype(np.int64)
    fits = np.iinfo(values.dtype).min <= turned.min() and turned.max() <= np.iinfo(values.dtype).max
    return turned.astype(values.dtype) if fits else turned


def _exact(stored: np.ndarray) -> np.ndarray:
    return stored.astype(np.float32) if stored.dtype.kind == "f" else stored
