"""From a slice to what the network takes, and back to the slice's own size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.data.formats.proportions import fitted_size, refuse_aspects, refuse_size
from medsynth.data.formats.resizing import fit

MULTIPLE = 16
"""Under ``native``, height and width are padded to a multiple of this: at least what the built-in networks need."""
SMALLEST = 32
LONGEST = 4096
"""Under ``native``, no side becomes longer than this by making pixels square."""


class Fitting(Protocol):
    """Makes slices fit the network and undoes it. A slice's pixels are `aspect` times as high as wide."""

    def check(self, name: str, size: tuple[int, int], aspects: Sequence[float]) -> None:
        """Refuse slices of (columns, rows) that cannot be fitted; the InputError names what they are of."""

    def forward(self, plane: Tensor, aspect: float) -> Tensor:
        """Turn a (C, columns, rows) slice into a (C, H, W) image, both in [-1, 1]."""

    def back(self, image: Tensor, size: tuple[int, int], aspect: float) -> Tensor:
        """Turn a translated (C, H, W) image into (C, rows, columns) of `size`, which is columns and rows."""


class NetworkSize:
    """Every slice is resized to the size of training by the bundle's preprocessing, and its translation back."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config

    def check(self, name: str, size: tuple[int, int], aspects: Sequence[float]) -> None:
        """Refuse strips of which nothing would be left, and pixels of no likely shape."""
        refuse_size(name, size, aspects, self._config)

    def forward(self, plane: Tensor, aspect: float) -> Tensor:
        """Turn a (C, columns, rows) slice into (C, size, size)."""
        return torch.from_numpy(fit(plane.numpy().transpose(0, 2, 1), self._config, aspect))

    def back(self, image: Tensor, size: tuple[int, int], aspect: float) -> Tensor:
        """Cut off the padding and resize bilinearly; pixel centers stay where they were."""
        width, height = fitted_size(*size, aspect, self._config)
        # the halving is that of MONAI's SpatialPad
        top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
        return _resized(image[:, top : top + height, left : left + width], size)


class NativeSize:
    """Every slice is translated at its own size, padded at the far edges and cropped back.

    Where pixels are not square, the coarser axis gets the finer one's pixels first, and its own back.
    """

    def check(self, name: str, size: tuple[int, int], aspects: Sequence[float]) -> None:
        """Refuse pixels whose shape would make slices too large, or is not likely."""
        refuse_aspects(name, aspects)
        for aspect in set(aspects):
            wanted = native_size(*size, aspect)
            if max(wanted) > max(*size, LONGEST):
                text = " x ".join(map(str, wanted))
                hint = f"Of more than {LONGEST} on a side they are not made; translate it with --size network."
                raise InputError(f"{name} has pixels {aspect:g} times as high as wide; square ones: {text}", hint=hint)

    def forward(self, plane: Tensor, aspect: float) -> Tensor:
        """Turn a (C, columns, rows) slice into (C, H, W), the last row and column repeated."""
        columns, rows = plane.shape[1:]
        image = _resized(plane.transpose(1, 2).float(), native_size(columns, rows, aspect))
        height, width = (max(-(-n // MULTIPLE) * MULTIPLE, SMALLEST) for n in image.shape[1:])
        padding = (0, width - image.shape[2], 0, height - image.shape[1])
        return F.pad(image[None], padding, mode="replicate")[0]

    def back(self, image: Tensor, size: tuple[int, int], aspect: float) -> Tensor:
        """Crop, and resize where pixels are not square."""
        return _resized(self.cropped(image, size, aspect), size)

    def cropped(self, image: Tensor, size: tuple[int, int], aspect: float) -> Tensor:
        """Return (C, H, W) without what was repeated; pixels are square."""
        width, height = native_size(*size, aspect)
        return image[:, :height, :width]


class NativeToNetwork:
    """What a network saw or made at a slice's own size, as large as those of training."""

    def __init__(self, config: DataConfig) -> None:
        self._native, self._network = NativeSize(), NetworkSize(config)

    def __call__(self, image: Tensor, size: tuple[int, int], aspect: float) -> Tensor:
        """Turn (C, H, W) of a slice of `size` into (C, size, size)."""
        return self._network.forward(self._native.cropped(image, size, aspect).transpose(1, 2), 1.0)


def native_size(columns: int, rows: int, aspect: float) -> tuple[int, int]:
    """Return width and height of a slice in square pixels, which are as small as the shorter side of its own."""
    return (columns, round(rows * aspect)) if aspect >= 1 else (round(columns / aspect), rows)


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (C, rows, columns) bilinearly to (columns, rows), smoothed along what shrinks."""
    if tuple(image.shape[:0:-1]) == size:
        return image
    return F.interpolate(image[None], size[::-1], mode="bilinear", align_corners=False, antialias=True)[0]


def make_fitting(name: str, config: DataConfig) -> Fitting:
    """Return the fitting for `name`, one of `medsynth.inference.translated_formats.SIZES`."""
    return NativeSize() if name == "native" else NetworkSize(config)
