"""8-bit images without MONAI and torch: the values of the bundle's preprocessing, at a fraction of the time.

MONAI takes seconds to import and a chain of its transforms milliseconds per image. What the chain does to an 8-bit
file is linear, so it is two matrix products here; a test compares both on many sizes.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from medsynth.data.config import DataConfig
from medsynth.data.formats.proportions import fitted_size
from medsynth.reading import Image

_TRUNCATED = 4.0


def in_range(image: Image, channels: int) -> np.ndarray:
    """Return one 8-bit slice as (C, H, W) float32 in [-1, 1]; padding is darkest."""
    values = image.values[0].astype(np.float32)
    planes = np.moveaxis(values, 2, 0) if values.ndim == 3 else values[None]
    if channels == 1:
        planes = planes.mean(axis=0, keepdims=True)
    elif len(planes) == 1:
        planes = np.repeat(planes, 3, axis=0)
    scaled: np.ndarray = planes / np.float32(127.5) - np.float32(1.0)
    if image.padding is not None and not image.padding.all():
        scaled[:, image.padding[0]] = -1.0
    return scaled


def fit(image: np.ndarray, config: DataConfig, aspect: float = 1.0) -> np.ndarray:
    """Resize (C, H, W) to the network's size: smoothed if it shrinks, bilinear, then padded with the darkest value.

    Its pixels are `aspect` times as high as wide.
    """
    rows, columns = image.shape[1:]
    size = config.size
    width, height = fitted_size(columns, rows, aspect, config)
    if (rows, columns) != (height, width):
        image = resizing(rows, height) @ image @ resizing(columns, width).T
    if (height, width) == (size, size):
        return np.ascontiguousarray(image, dtype=np.float32)
    result = np.full((len(image), size, size), -1.0, dtype=np.float32)
    top, left = (size - height) // 2, (size - width) // 2
    result[:, top : top + height, left : left + width] = image
    return result


@lru_cache(maxsize=64)
def resizing(length: int, wanted: int) -> np.ndarray:
    """Return the (wanted, length) float32 matrix that resizes one axis.

    An axis that shrinks by a factor f is smoothed first by a Gaussian of deviation (f - 1) / 2, zero outside the image.
    """
    # pixel centers of the result, in pixels of the source
    centers = np.clip((np.arange(wanted) + 0.5) * length / wanted - 0.5, 0.0, None)
    first = np.minimum(centers.astype(np.int64), length - 1)
    second, share = np.minimum(first + 1, length - 1), centers - first
    matrix = np.zeros((wanted, length))
    np.add.at(matrix, (np.arange(wanted), first), 1.0 - share)
    np.add.at(matrix, (np.arange(wanted), second), share)
    smoothing = _smoothing(length, (length / wanted - 1.0) / 2.0) if length > wanted else None
    return (matrix if smoothing is None else matrix @ smoothing).astype(np.float32)


def _smoothing(length: int, sigma: float) -> np.ndarray:
    """Return the (length, length) matrix of a Gaussian integrated over pixels, cut off at four deviations."""
    tail = int(max(sigma * _TRUNCATED, 0.5) + 0.5)
    edges = [math.erf((k + 0.5) / sigma / math.sqrt(2.0)) for k in range(-tail - 1, tail + 1)]
    kernel = np.diff(edges) / 2.0
    offset = np.arange(length)[None] - np.arange(length)[:, None] + tail
    inside = (offset >= 0) & (offset < len(kernel))
    return np.where(inside, kernel[np.clip(offset, 0, len(kernel) - 1)], 0.0)
