"""Random changes of whole batches. Parameters are drawn for a whole epoch first and applied later.

Since row p of the drawn table belongs to position p of the epoch, results do not depend on who loads the batch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

UNPAIRED_DRAWS = 3
LABELLED_DRAWS = 7

ROTATION = math.radians(7.0)
SCALE = 0.1
SHIFT = 0.05
GAIN = 0.1
GAMMA = 0.2


def flip_and_crop(images: Tensor, draws: np.ndarray) -> Tensor:
    """Flip horizontally with probability 1/2 and crop at random from the image enlarged to 9/8.

    Args:
        images: (B, C, H, W) in [-1, 1].
        draws: (B, 3) uniform numbers in [0, 1): flip, row offset, column offset.
    """
    height, width = images.shape[-2:]
    large = (round(height * 9 / 8), round(width * 9 / 8))
    enlarged = F.interpolate(images, size=large, mode="bilinear", align_corners=False)
    crops = []
    for image, (flip, down, right) in zip(enlarged, draws.tolist(), strict=True):
        top = int(down * (large[0] - height + 1))
        left = int(right * (large[1] - width + 1))
        crop = image[:, top : top + height, left : left + width]
        crops.append(crop.flip(-1) if flip < 0.5 else crop)
    return torch.stack(crops)


def flip_affine_gain_gamma(images: Tensor, draws: np.ndarray, *, strength: float = 1.0) -> Tensor:
    """Flip with probability 1/2, rotate, scale and shift a little, change gain and gamma.

    Rotation is within 7 degrees, scale within 10 %, shift within 5 % of the size, gain within 10 %,
    gamma between 1/1.2 and 1.2, both on the image mapped to [0, 1]. What comes in from outside is the darkest value.

    Args:
        images: (B, C, H, W) in [-1, 1].
        draws: (B, 7) uniform numbers in [0, 1): flip, angle, scale, shift right, shift down, gain, gamma.
        strength: multiplies every range but the flip's.
    """
    height, width = images.shape[-2:]
    flip = torch.from_numpy(draws[:, 0]).float()
    changes = (torch.from_numpy(draws[:, 1:]).float() * 2.0 - 1.0) * strength
    angle, scale, right, down, gain, gamma = changes.unbind(1)
    turn, zoom = angle * ROTATION, 1.0 + scale * SCALE
    mirror = torch.where(flip < 0.5, -1.0, 1.0)
    # affine_grid maps output to input positions in [-1, 1], so a shift of one whole image is 2
    rows = [
        torch.stack([mirror * turn.cos() / zoom, -turn.sin() * height / width / zoom, right * 2 * SHIFT], 1),
        torch.stack([mirror * turn.sin() * width / height / zoom, turn.cos() / zoom, down * 2 * SHIFT], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    unit = (images + 1.0) / 2.0
    moved = F.grid_sample(unit, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    factor = (1.0 + gain * GAIN).view(-1, 1, 1, 1)
    power = ((1.0 + GAMMA) ** gamma).view(-1, 1, 1, 1)
    return (moved.clamp(0.0, 1.0).pow(power) * factor).clamp(0.0, 1.0) * 2.0 - 1.0
