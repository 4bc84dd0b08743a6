"""Where the slices of a volume lie in space, from its affine.

Arrays run (columns, rows, slices). An affine maps their indices to millimeters with axes towards right, anterior and
superior, as NIfTI has it; slices are placed towards left, posterior and superior, as DICOM has it.
"""

from __future__ import annotations

import numpy as np

from medsynth.reading import Slice
from medsynth.reading.geometry import RAS_FROM_LPS

_TOLERANCE = 1e-3


def planes_of(affine: np.ndarray, count: int) -> list[Slice]:
    """Return the slices of a volume; without a place if rows and columns are not perpendicular."""
    lps = RAS_FROM_LPS @ affine
    columns, rows, slices = (lps[:3, axis] for axis in range(3))
    lengths = [float(np.linalg.norm(vector)) for vector in (columns, rows, slices)]
    if min(lengths) == 0 or abs(columns @ rows) > _TOLERANCE * lengths[0] * lengths[1]:
        return [Slice()] * count
    (a, b, c), (d, e, f) = (columns / lengths[0]).tolist(), (rows / lengths[1]).tolist()
    places = [(lps[:3, 3] + k * slices).tolist() for k in range(count)]
    return [
        Slice(
            number=k,
            position=(x, y, z),
            orientation=(a, b, c, d, e, f),
            spacing=(lengths[1], lengths[0]),
            thickness=lengths[2],
        )
        for k, (x, y, z) in enumerate(places)
    ]
