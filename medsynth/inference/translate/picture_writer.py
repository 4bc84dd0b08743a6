"""Translated slices as files: PNG, NIfTI, DICOM; complete or absent."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from medsynth.base.files import new_file, new_folder, write_bytes
from medsynth.data.formats.windows import Window
from medsynth.data.png import png, to_bytes
from medsynth.inference.inputs.origins import Capture, Rescaling
from medsynth.inference.inputs.picture_reader import Picture, PixelGrid

_GRID_FIELDS = (
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
    "xyzt_units",
)
_RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


class Writer:
    """Writes translations of one bundle.

    Args:
        capture: makes DICOM files.
        note: of at most 79 bytes, for NIfTI's description field.
        window: values that grey translations stand for; without one they are grey levels from 0 to 255.
    """

    def __init__(self, capture: Capture, note: str, window: Window | None = None) -> None:
        self._capture = capture
        self._note = note
        self._window = window

    def write(self, target: Path, kind: str, picture: Picture, slices: Sequence[np.ndarray]) -> None:
        """Write one translation.

        Args:
            target: file, or folder for several slices as PNG or DICOM.
            kind: ``png``, ``nifti`` or ``dicom``.
            picture: what was translated.
            slices: (C, rows, columns) float32 in [-1, 1] each.

        Raises:
            RunError: the disk is full or cannot be written to.
        """
        if kind == "nifti":
            self._nifti(target, picture, slices)
        elif kind == "png":
            _files(target, ".png", slices, lambda _, image: png(image))
        else:
            _files(target, ".dcm", slices, lambda index, image: self._dicom(picture, index, image))

    def _dicom(self, picture: Picture, index: int, image: np.ndarray) -> bytes:
        plane, origin = picture.planes[index], picture.origin
        if self._window and len(image) == 1:
            rescaling = Rescaling.of(self._window)
            return self._capture.encode(rescaling.stored(image[0]), origin, plane, index, rescaling=rescaling)
        values = to_bytes(image)
        pixels = values[0] if len(values) == 1 else values.transpose(1, 2, 0)
        return self._capture.encode(pixels, origin, plane, index)

    def _nifti(self, target: Path, picture: Picture, slices: Sequence[np.ndarray]) -> None:
        # one array of the whole volume beside the slices, filled in place
        shape = (*slices[0].shape[1:][::-1], len(slices))
        array = np.empty(shape, np.float32 if len(slices[0]) == 1 else _RGB)
        for k, image in enumerate(slices):
            array[..., k] = _voxels(image, self._window).T
        result = _on_grid(array, picture) if picture.grid else nib.Nifti1Image(array, picture.affine)
        result.header["descrip"] = self._note.encode()
        with new_file(target) as stream, gzip.GzipFile("", "wb", 1, stream, mtime=0) as packed:
            result.to_stream(packed)


def _voxels(image: np.ndarray, window: Window | None) -> np.ndarray:
    """Return (rows, columns): values in the window's unit, grey levels 0 to 255 with decimals, or 8-bit colors."""
    if len(image) == 1 and window:
        return window.values(image[0])
    if len(image) == 1:
        grey: np.ndarray = (np.clip(image[0], -1.0, 1.0) + 1.0) * np.float32(127.5)
        return grey
    return np.ascontiguousarray(to_bytes(image).transpose(1, 2, 0)).view(_RGB)[..., 0]


def _on_grid(array: np.ndarray, picture: Picture) -> Any:
    """Return an image with the source's array order and geometry; nothing else of its header is kept."""
    grid = picture.grid
    assert grid is not None
    source = grid.image
    image = type(source)(_stored_order(array, grid).reshape(source.shape), source.affine)
    image.header["pixdim"][:4] = source.header["pixdim"][:4]
    for field in _GRID_FIELDS:
        image.header[field] = source.header[field]
    return image


def _stored_order(array: np.ndarray, grid: PixelGrid) -> np.ndarray:
    if not grid.axes:
        return array
    shown = nib.orientations.axcodes2ornt(tuple(grid.axes))
    stored = nib.orientations.io_orientation(grid.image.affine)
    turned: np.ndarray = nib.orientations.apply_orientation(array, nib.orientations.ornt_transform(shown, stored))
    return turned


def _files(target: Path, suffix: str, slices: Sequence[np.ndarray], encode: Callable[[int, np.ndarray], bytes]) -> None:
    """Write one file, or a folder of numbered files where there are several slices."""
    if len(slices) == 1:
        write_bytes(target, encode(0, slices[0]))
        return
    digits = max(4, len(str(len(slices) - 1)))
    target.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(target) as folder:
        for index, image in enumerate(slices):
            (folder / f"{index:0{digits}}{suffix}").write_bytes(encode(index, image))
