"""Decoding what is to be translated, as the bundle's preprocessing does it, up to the size of the slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, Scaling, as_shown
from medsynth.data.formats.proportions import shown_aspects
from medsynth.data.formats.several import read_chosen
from medsynth.data.formats.windows import parse_windows
from medsynth.inference.inputs.origins import Origin, origin_of
from medsynth.inference.inputs.planes import planes_of
from medsynth.reading import Image, Slice, display_axes, pixel_aspects, read_series, take
from medsynth.reading.geometry import RAS_FROM_LPS, volume_affine
from medsynth.reading.quietness import decoding


@dataclass(frozen=True)
class PixelGrid:
    """The voxel grid of a NIfTI source.

    Args:
        image: opened by nibabel, for class, header and affine.
        axes: what its array was reoriented to; empty if it was not.
    """

    image: Any
    axes: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded source: one slice, or all slices of a volume, a cine or a series.

    Args:
        values: (C, columns, rows, slices) float32 in [-1, 1]; C is the network's.
        planes: where each slice lies.
        aspects: of each slice, how many times as high as wide its pixels are.
        affine: (4, 4) of `values`, axes towards right, anterior, superior; None where the slices make no even volume.
        origin: which source it is.
        grid: to go back to, where the source is NIfTI.
        problem: why there is no affine.
    """

    values: Tensor
    planes: Sequence[Slice]
    aspects: Sequence[float]
    affine: np.ndarray | None
    origin: Origin
    grid: PixelGrid | None = None
    problem: str = ""

    def __len__(self) -> int:
        return self.values.shape[3]


class Reader:
    """Reads files of every format with one bundle's preprocessing."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        # a bundle's config has the window of the one domain that its network takes
        window = parse_windows(config.window).get("source")
        self._scales = {eight_bit: Scaling(DomainInfo(eight_bit, window), config) for eight_bit in (True, False)}

    def read(self, path: Path, name: str) -> Picture:
        """Decode one file.

        Args:
            path: the file.
            name: identifies a file that is not DICOM.

        Raises:
            InputError: says what is wrong with it.
        """
        image = as_shown(read_chosen(path, self._config.volume))
        if image.header.kind == "dicom":
            return self._dicom(image)
        affine, placed = (_unplaced(image), False) if image.affine is None else (image.affine, True)
        return Picture(
            values=self.scaled(image),
            planes=planes_of(affine, len(image)) if placed else [Slice()] * len(image),
            aspects=shown_aspects(image, self._config),
            affine=affine,
            origin=Origin(patient=name, study=name, series=name, instance=name, frame_of_reference=name),
            grid=_grid(image) if placed and image.header.kind == "nifti" else None,
        )

    def read_series(self, paths: Sequence[Path]) -> Picture:
        """Decode the files of a DICOM series, in the order of their slices, as one volume.

        Raises:
            InputError: a file cannot be read.
        """
        image = read_series(paths)
        # a file is a slice; values are scaled file by file, as in training
        values = torch.cat([self.scaled(take(image, k)) for k in range(len(image))], dim=3)
        return self._dicom(image, values)

    def scaled(self, image: Image) -> Tensor:
        """Return (C, columns, rows, slices) in [-1, 1].

        Raises:
            InputError: values are not those that the bundle was trained for.
        """
        low, high = float(image.values.min()), float(image.values.max())
        if self._config.intensity == "range" and not image.header.eight_bit and (low < 0 or high > 255):
            raise InputError(
                f"{image.header.path} has values from {low:g} to {high:g}, but the bundle was trained for 0 to 255"
            )
        return self._scales[image.header.eight_bit](image)

    def _dicom(self, image: Image, values: Tensor | None = None) -> Picture:
        planes = image.header.slices[image.index : image.index + len(image)]
        affine = image.affine
        if affine is None and all(plane.position is None for plane in planes):
            affine = _unplaced(image)
        return Picture(
            values=self.scaled(image) if values is None else values,
            planes=planes,
            aspects=shown_aspects(image, self._config),
            affine=affine,
            origin=origin_of(image.header),
            problem="" if affine is not None else volume_affine(planes)[1],
        )


def _unplaced(image: Image) -> np.ndarray:
    """Return an affine for an image whose place is unknown; so are distances, where a pixel is 1 mm wide."""
    column, row, step = image.spacing
    return RAS_FROM_LPS @ np.diag([column or 1.0, row or pixel_aspects(image)[0], step or 1.0, 1.0])


def _grid(image: Image) -> PixelGrid:
    import nibabel as nib

    path = image.header.path
    with decoding(path):
        stored = nib.load(path)
        if image.header.volumes > 1:  # the grid is that of the one that was read
            rest = (0,) * (len(stored.shape) - 4)
            stored = stored.slicer[(slice(None),) * 3 + rest + (image.index // image.header.shape[0],)]
        return PixelGrid(stored, "" if image.header.flat else display_axes(image.affine))
