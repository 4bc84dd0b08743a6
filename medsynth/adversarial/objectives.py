"""What generators and discriminators minimize.

a is the source domain, b the target domain. Logits have any shape, positive = judged real. Means are float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Objective = Literal["lsgan", "vanilla", "hinge"]
GUESSING: dict[Objective, float] = {"lsgan": 0.25, "vanilla": math.log(2.0), "hinge": 1.0}
"""`discriminator_objective` of a discriminator that cannot tell real from generated."""


def generator_objective(fake: Tensor, objective: Objective) -> Tensor:
    """Return what a generator minimizes, given the discriminator's logits on its images.

    Args:
        fake: logits, any shape.
        objective: ``lsgan``: mean of (fake - 1)^2 (Mao et al. 2017); ``vanilla``: binary cross-entropy against real
            (Goodfellow et al. 2014, non-saturating); ``hinge``: minus the mean (Lim & Ye 2017).
    """
    fake = fake.float()
    if objective == "lsgan":
        return (fake - 1).square().mean()
    if objective == "vanilla":
        return F.softplus(-fake).mean()
    return -fake.mean()


def discriminator_objective(real: Tensor, fake: Tensor, objective: Objective) -> Tensor:
    """Return what a discriminator minimizes: half the sum of its loss on real and on generated images.

    Args:
        real: logits of real images, any shape.
        fake: logits of generated images.
        objective: ``lsgan``: (real - 1)^2 and fake^2; ``vanilla``: binary cross-entropy; ``hinge``: max(0, 1 - real)
            and max(0, 1 + fake).
    """
    real, fake = real.float(), fake.float()
    if objective == "lsgan":
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())
    if objective == "vanilla":
        return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def absolute_error(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean absolute difference (L1) of two tensors of one shape, computed in float32."""
    return (first.float() - second.float()).abs().mean()


def gradient_penalty(network: nn.Module, real: Tensor) -> Tensor:
    """Return R1: the squared length of the gradient of the judgment by the real image, mean of the images.

    R1 = E ||d/dx D(x)||^2, where D(x) is the mean of the logits' map, summed over scales.

    Source: Mescheder et al. 2018, equation 9, with the weight gamma / 2 left to the caller.

    Args:
        network: a discriminator.
        real: (B, C, H, W) real images.
    """
    images = real.detach().float().requires_grad_(True)
    with torch.autocast(images.device.type, enabled=False):
        judged = torch.stack([scale.flatten(1).mean(1).sum() for scale in scales(network(images))]).sum()
    (gradient,) = torch.autograd.grad(judged, images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def scales(judged: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Return a discriminator's logits as a list with one tensor per scale."""
    return [judged] if isinstance(judged, Tensor) else list(judged)
