"""What reading gives: facts of a file (`Header`), where each of its slices lies (`Slice`), and pixels (`Image`).

Coordinates are those of NIfTI: millimeters with axes towards right, anterior and superior (RAS). An affine maps
(column, row, slice) to them; arrays run the other way round: (slices, rows, columns[, channels]).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from medsynth.base.errors import InputError

Kind = Literal["raster", "nifti", "dicom", "itk"]
"""Who decodes a file: Pillow, nibabel, pydicom, or ITK (NRRD, MetaImage, ANALYZE)."""


class NoImageError(InputError):
    """A file that is in order but holds no image for a network: a directory, a report, a plan, a segmentation.

    Args:
        message: names the file.
        reason: short, equal for all files of its kind, for counting.
        hint: what to do.
    """

    def __init__(self, message: str, *, reason: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Where one slice or frame lies, and what its stored values mean.

    Args:
        number: of the frame within its file as it is stored, from 0.
        position: center of the first pixel (x, y, z) in mm towards left, posterior, superior (DICOM's LPS), or None.
        orientation: direction of a row's pixels, then of a column's, in LPS, as unit vectors, or None.
        spacing: distance of neighboring (rows, columns) in mm, or None.
        aspect: height of a pixel as a multiple of its width, where the file says no more than that.
        thickness: in mm, 0 where unknown.
        slope, intercept: physical value = stored value x slope + intercept.
        unit: of the physical values, e.g. ``HU``; empty where there is none.
        window: (center, width) that the file recommends, in physical values, or None.
        curve: of the window: ``LINEAR``, ``LINEAR_EXACT`` or ``SIGMOID`` (DICOM PS3.3, C.11.2.1).
        time: index of its moment, 0 where there is one only.
        stack: names the stack that it belongs to.
    """

    number: int = 0
    position: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float, float, float] | None = None
    spacing: tuple[float, float] | None = None
    aspect: float = 1.0
    thickness: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    window: tuple[float, float] | None = None
    curve: str = "LINEAR"
    time: int = 0
    stack: str = ""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says about itself without its pixels being decoded.

    Args:
        path: the file.
        kind: who decodes it.
        shape: (slices, rows, columns) of one volume, a cine or an image; one slice where it is 2D.
        flat: the file has two axes; a third one of length one is none.
        channels: 1 grey, 3 color.
        eight_bit: values are 0 to 255 by type, so that their full range is comparable.
        spacing: (column, row, slice) in mm; 0 where unknown.
        affine: (4, 4) from (column, row, slice) to RAS in mm; None where the file does not place its pixels.
        volumes: how many volumes of `shape` there are: time points, echoes, stacks.
        slices: one per slice in the order of reading, volume after volume; for DICOM only, else empty.
        unit: of the values, e.g. ``HU``; empty where there is none or slices differ.
        inverted: the file says that low values are bright, and they have no unit: they are read inverted.
        patient, study, series, instance, frame_of_reference: identifiers, empty where the format has none.
        modality, description: e.g. ``MR`` and ``t2_tse_tra``.
        orientation: ``tra``, ``cor`` or ``sag``, by the nearest axis; empty where unknown.
        number: of the image within its series.
        localizer: the file or its series calls itself a localizer or scout.
        identifying: names of the tags that could identify a person.
        burned_in: what the file says about text in its pixels.
        extra: further facts by name: ``echo``, ``acquisition``, ``time``.
        notes: what was assumed or ignored, one sentence each.
    """

    path: Path
    kind: Kind
    shape: tuple[int, int, int]
    flat: bool = False
    channels: int = 1
    eight_bit: bool = False
    spacing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    affine: np.ndarray | None = None
    volumes: int = 1
    slices: tuple[Slice, ...] = ()
    unit: str = ""
    inverted: bool = False
    patient: str = ""
    study: str = ""
    series: str = ""
    instance: str = ""
    frame_of_reference: str = ""
    modality: str = ""
    description: str = ""
    orientation: str = ""
    number: int = 0
    localizer: bool = False
    identifying: tuple[str, ...] = ()
    burned_in: str = ""
    extra: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of slices or frames in all volumes."""
        return self.shape[0] * self.volumes


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """Decoded pixels.

    Args:
        values: (slices, rows, columns) or (slices, rows, columns, 3): physical values as float32, or the exact
            integers of the file where they are not scaled.
        header: of the file; of a series that of its first slice, with the geometry of the whole.
        affine: (4, 4) of `values` from (column, row, slice) to RAS in mm, or None.
        spacing: (column, row, slice) of `values` in mm; 0 where unknown.
        index: of the first slice within the file's, in the order of reading.
        padding: True where the scanner wrote nothing, of the shape of `values` without channels; None if nowhere.
        notes: those of the header, and what decoding added.
    """

    values: np.ndarray
    header: Header
    affine: np.ndarray | None = None
    spacing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    index: int = 0
    padding: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of slices."""
        return int(self.values.shape[0])

    def channels_first(self) -> np.ndarray:
        """Return (channels, columns, rows, slices) float32, the order of MONAI's arrays, which `affine` fits."""
        values = self.values if self.values.ndim == 4 else self.values[..., None]
        return np.ascontiguousarray(values.transpose(3, 2, 1, 0), dtype=np.float32)
