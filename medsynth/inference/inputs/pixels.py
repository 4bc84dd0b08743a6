"""The values of 8-bit images without MONAI and torch, as the bundle's preprocessing scales them."""

from __future__ import annotations

import numpy as np

from medsynth.reading import Image


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
