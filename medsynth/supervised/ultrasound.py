"""Random artifacts of ultrasound for training: speckle, acoustic shadows, gain that changes with depth.

Flips, small affine changes, gain and gamma are those of `medsynth.data.augment`. Everything here is drawn anew for each
image from torch's global generator, which the core seeds before every step.
"""

from __future__ import annotations

import torch
from torch import Tensor

GRAIN = 6.0
"""Standard deviation of white noise after weights 1, 2, 1 along both axes."""
SHADOWED = 0.5
"""Share of images that get a shadow."""
WIDTHS = (0.03, 0.1)
"""Standard deviation of a shadow across, as a share of the image's width."""
SOFTNESS = 0.03
"""How gradually a shadow begins, as a share of the image's height."""


def ultrasound_artifacts(
    images: Tensor, *, speckle: float = 0.0, shadow: float = 0.0, depth_gain: float = 0.0
) -> Tensor:
    """Multiply images, mapped to [0, 1], by speckle, shadow and a gain that changes with depth; clip to the range.

    Args:
        images: (B, C, H, W) in [-1, 1]; depth runs down the rows.
        speckle: largest standard deviation of the grain relative to the pixel; each image has one below it.
        shadow: largest share of the signal that a shadow takes away. Half of the images have one.
        depth_gain: largest change of gain between the middle and an edge, as exponent of e, brighter or darker.

    Returns:
        Images of the same shape in [-1, 1]. What is 0 costs no time.
    """
    if not (speckle or shadow or depth_gain):
        return images
    factor = torch.ones_like(images[:, :1])
    if speckle:
        factor = factor * (1.0 + speckle * _uniform(images) * _grain(images))
    if shadow:
        factor = factor * (1.0 - shadow * _uniform(images) * _shadows(images))
    if depth_gain:
        factor = factor * (depth_gain * (2.0 * _uniform(images) - 1.0) * (2.0 * _places(images, -2) - 1.0)).exp()
    return ((images + 1.0) / 2.0 * factor).clamp(0.0, 1.0) * 2.0 - 1.0


def _uniform(images: Tensor) -> Tensor:
    """Draw a number in [0, 1) for each image, (B, 1, 1, 1)."""
    return torch.rand(len(images), 1, 1, 1, device=images.device)


def _grain(images: Tensor) -> Tensor:
    """Draw noise of mean 0 and variance 1 whose neighbors resemble each other, (B, 1, H, W)."""
    batch, (height, width) = len(images), images.shape[-2:]
    noise = torch.randn(batch, 1, height + 2, width + 2, device=images.device)
    noise = noise[..., :-2, :] + 2.0 * noise[..., 1:-1, :] + noise[..., 2:, :]
    return (noise[..., :-2] + 2.0 * noise[..., 1:-1] + noise[..., 2:]) / GRAIN


def _shadows(images: Tensor) -> Tensor:
    """Draw a band for some images that begins anywhere in the upper three quarters and runs to the bottom: 0 to 1."""
    center, start = _uniform(images), 0.75 * _uniform(images)
    width = WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * _uniform(images)
    across = (-0.5 * ((_places(images, -1) - center) / width) ** 2).exp()
    down = ((_places(images, -2) - start) / SOFTNESS).sigmoid()
    return (_uniform(images) < SHADOWED) * across * down


def _places(images: Tensor, axis: int) -> Tensor:
    """Return the positions of the pixels' centers along an axis as shares of its length, in a shape that broadcasts."""
    length = images.shape[axis]
    places = (torch.arange(length, device=images.device) + 0.5) / length
    return places.view(-1, 1) if axis == -2 else places
