"""Slices of any size to the network's: what the bundle's transforms do, at a fraction of the time.

Resizing and smoothing are linear and local, so each axis is a sum of a few weighted copies here; a chain of MONAI's
transforms takes milliseconds per image, and MONAI seconds to import. A test compares both on many sizes. Products of
whole matrices would be shorter, but the threads of numpy's BLAS wait for each other and for those of torch.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from medsynth.data.config import DataConfig
from medsynth.data.formats.proportions import fitted_size

_TRUNCATED = 4.0


def fit(image: np.ndarray, config: DataConfig, aspect: float = 1.0) -> np.ndarray:
    """Resize (C, H, W) to the network's size: smoothed if it shrinks, bilinear, then padded with the darkest value.

    Its pixels are `aspect` times as high as wide.
    """
    rows, columns = image.shape[1:]
    size = config.size
    width, height = fitted_size(columns, rows, aspect, config)
    if (rows, columns) != (height, width):
        image = _along_rows(_along_rows(image, height).swapaxes(1, 2), width).swapaxes(1, 2)
    if (height, width) == (size, size):
        return np.ascontiguousarray(image, dtype=np.float32)
    result = np.full((len(image), size, size), -1.0, dtype=np.float32)
    top, left = (size - height) // 2, (size - width) // 2
    result[:, top : top + height, left : left + width] = image
    return result


def _along_rows(image: np.ndarray, wanted: int) -> np.ndarray:
    """Resize the rows of (C, H, W) to (C, wanted, W)."""
    result = np.zeros((len(image), wanted, image.shape[2]), dtype=np.float32)
    for places, weights in zip(*_taps(image.shape[1], wanted), strict=True):
        result += weights[:, None] * image[:, places]
    return result


@lru_cache(maxsize=64)
def _taps(length: int, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of each row of `resizing` from its first to its last: (count, wanted) places and weights."""
    matrix = resizing(length, wanted)
    counted = matrix != 0
    first, last = counted.argmax(axis=1), length - 1 - counted[:, ::-1].argmax(axis=1)
    places = first + np.arange((last - first).max() + 1)[:, None]
    inside = np.minimum(places, length - 1)
    return inside, np.where(places <= last, np.take_along_axis(matrix.T, inside, axis=0), np.float32(0.0))


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
