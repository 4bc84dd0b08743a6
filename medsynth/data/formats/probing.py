"""What a file is and whether it can be used: kind, slices, bit depth, value range, constant slices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth.base.errors import InputError
from medsynth.data.problems import Problem, problem_of

if TYPE_CHECKING:
    import numpy as np

    from medsynth.reading import Header, Image, Kind

PERCENTILES = (0.5, 99.5)
QUANTILES = 1001
"""Values that stand for all of a file where the scale is that of the whole data set."""


@dataclass(frozen=True)
class Format:
    """What of a file decides how MONAI reads it.

    Args:
        kind: ``raster`` (PNG, JPEG, TIFF, BMP, WebP), ``nifti``, ``dicom`` or ``itk`` (NRRD, MetaImage, ANALYZE).
        depth: number of slices or frames; 0 where the array has two spatial axes.
        axes: for volumes of NIfTI and ITK the axes to reorient to, e.g. ``LPS``: the third axis stays the stored one,
            rows and columns run as in the usual display (towards left, posterior or inferior). Else empty.
        volume: which of several volumes; None where the file holds one.
    """

    kind: Kind
    depth: int = 0
    axes: str = ""
    volume: int | None = None


@dataclass(frozen=True)
class Facts:
    """What decoding a file has shown.

    Args:
        format: how MONAI reads it.
        header: what it says about itself.
        shape: (columns, rows) or (columns, rows, slices).
        low: smallest value where the scanner wrote one.
        high: largest value.
        flat: all values are equal, or so many that the percentiles are.
        empty_slices: constant slices or frames of a file with several.
        ends: smallest and largest value of each slice of a file with several, where the scanner wrote one.
        count: number of pixels that the scanner wrote.
        quantiles: `QUANTILES` evenly spaced ones of these values; empty unless asked for.
        hash: SHA-256 of the decoded values.
        notes: what was assumed or ignored, one sentence each.
    """

    format: Format
    header: Header
    shape: tuple[int, ...]
    low: float
    high: float
    flat: bool
    empty_slices: tuple[int, ...]
    hash: str
    ends: tuple[tuple[float, float], ...] = ()
    count: int = 0
    quantiles: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def eight_bit(self) -> bool:
        """Values are 0 to 255 by type."""
        return self.header.eight_bit

    @property
    def spacing(self) -> tuple[float, ...]:
        """(column, row) or (column, row, slice) in mm, empty where unknown."""
        known = self.header.spacing[: len(self.shape)]
        return known if known[0] and known[1] else ()


def format_of(header: Header, volume: int | None = None) -> Format:
    """Return what of a header, and of the volume that is chosen, decides how MONAI reads the file."""
    axes = ""
    if header.kind in ("nifti", "itk") and not header.flat:
        from medsynth.reading import display_axes

        axes = display_axes(header.affine)
    return Format(header.kind, 0 if header.flat else header.count, axes, volume)


def probe(path: Path, volume: int = -1) -> Format | Problem:
    """Read as little of the file as tells its format, of the volume that is chosen."""
    from medsynth.data.formats.several import chosen_in
    from medsynth.reading import read_header

    try:
        return format_of(*chosen_in(read_header(path), volume))
    except InputError as error:
        return problem_of(error)


def examine(path: Path, *, channels: int = 0, volume: int = -1) -> Facts | Problem:
    """Decode a whole file and say what is in it, or why it is unusable (missing, empty, damaged, NaN, constant).

    Args:
        path: the file.
        channels: of the images that are made of it, for `Facts.quantiles`; 0 = leave these out, sorting takes time.
        volume: of NIfTI files that hold several; -1 = such files are unusable.
    """
    import numpy as np

    from medsynth.data.formats.several import chosen_in, read_chosen

    try:
        image = read_chosen(path, volume)
        found = format_of(*chosen_in(image.header, volume))
    except InputError as error:
        return problem_of(error)
    facts = _facts(image, found, channels)
    if facts.low == facts.high or (len(image) == 1 and not np.ptp(image.values[0], axis=(0, 1)).any()):
        return Problem(f"{path} is constant: all its pixels are {np.asarray(image.values[0, 0, 0]).tolist()}")
    return facts


def _facts(image: Image, found: Format, channels: int) -> Facts:
    import hashlib

    import numpy as np

    values, header = image.values, image.header
    padding = None if image.padding is None or image.padding.all() else image.padding
    inside = values if padding is None else values[~padding]
    # channels vary between pictures of one color, so every channel is compared with itself
    empty = np.flatnonzero(~np.ptp(values, axis=(1, 2)).reshape(len(values), -1).any(axis=1)) if len(image) > 1 else ()
    low, high = np.percentile(inside, PERCENTILES)
    return Facts(
        format=found,
        header=header,
        shape=(*values.shape[2:0:-1], len(values)) if found.depth else values.shape[2:0:-1],
        low=float(inside.min()),
        high=float(inside.max()),
        flat=bool(low == high),
        empty_slices=tuple(int(k) for k in empty),
        ends=tuple(_ends(values, padding, k) for k in range(len(image))) if len(image) > 1 else (),
        count=inside.size // header.channels,
        quantiles=_quantiles(inside, values.ndim == 4 and channels == 1) if channels else (),
        hash=hashlib.sha256(repr((values.shape, values.dtype.str)).encode() + values.tobytes()).hexdigest(),
        notes=image.notes,
    )


def _ends(values: np.ndarray, padding: np.ndarray | None, k: int) -> tuple[float, float]:
    """Return the smallest and the largest value of a slice; of one without any they are those of all its pixels."""
    inside = values[k] if padding is None or padding[k].all() else values[k][~padding[k]]
    return float(inside.min()), float(inside.max())


def _quantiles(inside: np.ndarray, grey: bool) -> tuple[float, ...]:
    import numpy as np

    values = inside.mean(axis=-1) if grey else inside
    return tuple(np.quantile(values, np.linspace(0, 1, QUANTILES)).tolist())
