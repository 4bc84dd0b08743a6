"""From a slice to what the network takes, and back to the slice's own size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import fitting_config, instantiate, quiet

MULTIPLE = 16
"""Under ``native``, height and width are padded to a multiple of this: at least what the built-in networks need."""
SMALLEST = 32


class Fitting(Protocol):
    """Makes slices fit the network and undoes it."""

    def forward(self, plane: Tensor) -> Tensor:
        """Turn a (C, columns, rows) slice into a (C, H, W) image, both in [-1, 1]."""

    def back(self, image: Tensor, columns: int, rows: int) -> Tensor:
        """Turn a translated (C, H, W) image into (C, rows, columns)."""


class NetworkSize:
    """Every slice is resized to the size of training by the bundle's preprocessing, and its translation back."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        self._transforms = instantiate(fitting_config(config))

    def forward(self, plane: Tensor) -> Tensor:
        """Turn a (C, columns, rows) slice into (C, size, size)."""
        with quiet():
            item: Mapping[str, Tensor] = self._transforms({"image": plane})
        return item["image"].to(torch.float32)

    def back(self, image: Tensor, columns: int, rows: int) -> Tensor:
        """Cut off the padding and resize bilinearly; pixel centers stay where they were."""
        if self._config.fit == "pad":
            scale = self._config.size / max(columns, rows)
            # the rounding and the halving are those of MONAI's Resize and SpatialPad
            height, width = round(rows * scale), round(columns * scale)
            top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
            image = image[:, top : top + height, left : left + width]
        if tuple(image.shape[1:]) == (rows, columns):
            return image
        return F.interpolate(image[None], (rows, columns), mode="bilinear", align_corners=False, antialias=True)[0]


class NativeSize:
    """Every slice is translated at its own size, padded at the far edges and cropped back."""

    def forward(self, plane: Tensor) -> Tensor:
        """Turn a (C, columns, rows) slice into (C, H, W), the last row and column repeated."""
        image = plane.transpose(1, 2)
        height, width = (max(-(-n // MULTIPLE) * MULTIPLE, SMALLEST) for n in image.shape[1:])
        padding = (0, width - image.shape[2], 0, height - image.shape[1])
        return F.pad(image[None].float(), padding, mode="replicate")[0]

    def back(self, image: Tensor, columns: int, rows: int) -> Tensor:
        """Crop."""
        return image[:, :rows, :columns]


def make_fitting(name: str, config: DataConfig) -> Fitting:
    """Return the fitting for `name`, one of `medsynth.inference.translated_formats.SIZES`."""
    return NativeSize() if name == "native" else NetworkSize(config)
