"""Decoding what is to be translated, as the bundle's preprocessing does it, up to the size of the slices."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, instantiate, whole_file_config
from medsynth.data.formats.headers import has_pixels
from medsynth.data.formats.itk import import_itk, quiet
from medsynth.data.formats.probing import Format, UnusableError, is_eight_bit, probe
from medsynth.data.problems import Problem
from medsynth.inference.inputs.origins import Origin, read_origin
from medsynth.inference.inputs.planes import Plane, affine_of, planes_of

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


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
        affine: (4, 4) of `values`, axes towards right, anterior, superior.
        origin: which source it is.
        grid: to go back to, where the source is NIfTI.
    """

    values: Tensor
    planes: Sequence[Plane]
    affine: np.ndarray
    origin: Origin
    grid: PixelGrid | None = None

    def __len__(self) -> int:
        return self.values.shape[3]


class Reader:
    """Reads files of every format with one bundle's preprocessing."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        self._steps: dict[tuple[str, str, bool], tuple[Any, Any]] = {}

    def read(self, path: Path, name: str) -> Picture:
        """Decode one file.

        Args:
            path: the file.
            name: identifies a file that is not DICOM.

        Raises:
            UnusableError: says what is wrong with it.
        """
        found = probe(path)
        if isinstance(found, Problem):
            raise UnusableError(found.message)
        values, affine = self._decode(path, found)
        if found.kind == "dicom":
            origin, plane = read_origin(path)
            # of a file with several frames the header's place, if there is one, is the first one's
            planes = [plane] if values.shape[3] == 1 else [replace(plane, position=None)] * found.depth
            return Picture(values=values, planes=planes, affine=affine_of(planes[:1]), origin=origin)
        origin = Origin(patient=name, study=name, series=name, instance=name, frame_of_reference=name)
        if found.kind == "raster":
            return Picture(values=values, planes=[Plane()], affine=_LPS, origin=origin)
        import nibabel as nib

        image: Any = nib.load(path)
        affine = affine if found.axes else np.asarray(image.affine)
        return Picture(
            values=values,
            planes=planes_of(affine, values.shape[3]),
            affine=affine,
            origin=origin,
            grid=PixelGrid(image, found.axes),
        )

    def read_series(self, paths: Sequence[Path]) -> Picture:
        """Decode the files of a DICOM series, in the order of their slices, as one volume.

        Raises:
            UnusableError: a file cannot be read, or the slices make no volume.
        """
        pictures = [self.read(path, path.name) for path in paths]
        shapes = {tuple(picture.values.shape) for picture in pictures}
        if len(shapes) > 1:
            raise UnusableError(f"its slices have different shapes: {sorted(shape[1:3] for shape in shapes)}")
        planes = [picture.planes[0] for picture in pictures]
        try:
            affine = affine_of(planes)
        except ValueError as error:
            raise UnusableError(f"{error}; translate it with --format dicom") from error
        values = torch.cat([picture.values for picture in pictures], dim=3)
        return Picture(values=values, planes=planes, affine=affine, origin=pictures[0].origin)

    def _decode(self, path: Path, found: Format) -> tuple[Tensor, np.ndarray]:
        """Return (C, columns, rows, slices) values and their affine."""
        if found.kind == "dicom" and not has_pixels(path):
            # GDCM searches truncated compressed files for many seconds, so they are found out before it sees them
            raise UnusableError("is truncated: its pixel data end too early")
        with quiet(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Divide by zero")  # a constant image becomes the darkest one
            try:
                eight_bit = is_eight_bit(path, found)
                load, scale = self._transforms(found, eight_bit)
                item = load({"image": str(path)})
                self._check(item["image"], eight_bit)
                image = scale(item)["image"]
            except UnusableError:
                raise
            except Exception as error:  # decoders raise many types on damaged files
                lines = str(error).strip().splitlines()
                raise UnusableError(f"cannot be decoded: {lines[-1] if lines else type(error).__name__}") from error
        affine = np.asarray(image.affine, dtype=np.float64)
        values = image.as_tensor().to(torch.float32)
        return (values if values.ndim == 4 else values[..., None]), affine

    def _transforms(self, found: Format, eight_bit: bool) -> tuple[Any, Any]:
        key = (found.kind, found.axes, eight_bit)
        if key not in self._steps:
            if found.kind == "dicom":
                import_itk()
            chain = whole_file_config(DomainInfo(eight_bit), self._config, found)
            self._steps[key] = instantiate(chain[:2]), instantiate(chain[2:])
        return self._steps[key]

    def _check(self, image: Tensor, eight_bit: bool) -> None:
        if not bool(torch.isfinite(image).all()):
            raise UnusableError("contains NaN or infinite values")
        low, high = float(image.min()), float(image.max())
        if self._config.intensity == "range" and not eight_bit and (low < 0 or high > 255):
            raise UnusableError(f"has values from {low:g} to {high:g}, but the bundle was trained for 0 to 255")
