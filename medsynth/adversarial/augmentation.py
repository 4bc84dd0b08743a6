"""Augmentation that lets gradients through, so that a discriminator of a small set cannot learn its images by heart.

Letters in shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SHIFT = 1 / 8
CUTOUT = 1 / 2


def differentiable_augmentation(images: Tensor) -> Tensor:
    """Change brightness and contrast, shift and cut out a square, each image by its own random amounts.

    (B, C, H, W) in [-1, 1] -> same shape and type; values may leave the range. What moves in from outside and what is
    cut out is 0. Draws from torch's global generator.

    Source: Zhao et al. 2020 (DiffAugment), section 4: brightness +-0.5, contrast times 0.5 to 1.5, shift up to an
    eighth of the side, a square of half the side cut out. Saturation is left out: medical images are grey.
    """
    return cut_out(shift(change_contrast(change_brightness(images))))


def change_brightness(images: Tensor) -> Tensor:
    """Add one number per image, uniform in [-0.5, 0.5]."""
    return images + (_uniform(images) - 0.5)


def change_contrast(images: Tensor) -> Tensor:
    """Stretch every image around its mean by a factor uniform in [0.5, 1.5]."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (_uniform(images) + 0.5) + mean


def shift(images: Tensor) -> Tensor:
    """Move every image by whole pixels, up to an eighth of its height and width."""
    height, width = images.shape[-2:]
    rows, columns = (_integers(images, -int(side * SHIFT), int(side * SHIFT)) for side in (height, width))
    padded = F.pad(images, (1, 1, 1, 1))
    row = (torch.arange(height, device=images.device)[None] + rows[:, None] + 1).clamp(0, height + 1)
    column = (torch.arange(width, device=images.device)[None] + columns[:, None] + 1).clamp(0, width + 1)
    place = torch.arange(len(images), device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[place, row[:, :, None], column[:, None, :]].permute(0, 3, 1, 2)


def cut_out(images: Tensor) -> Tensor:
    """Set a square of half the side, anywhere within reach of the image, to 0."""
    keep = torch.ones((len(images), *images.shape[-2:]), dtype=torch.bool, device=images.device)
    inside = []
    for side in images.shape[-2:]:
        half = int(side * CUTOUT) // 2
        center = _integers(images, 0, side)
        inside.append((torch.arange(side, device=images.device)[None] - center[:, None]).abs() < max(half, 1))
    keep = ~(inside[0][:, :, None] & inside[1][:, None, :])
    return images * keep[:, None].to(images.dtype)


def _uniform(images: Tensor) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, dtype=images.dtype, device=images.device)


def _integers(images: Tensor, low: int, high: int) -> Tensor:
    return torch.randint(low, high + 1, (len(images),), device=images.device)
