"""A discriminator that judges an image and smaller copies of it (Wang et al. 2018, as MUNIT and UNIT use it).

Letters in shapes: B batch, C channels, H height, W width, h, w sides of a map of judgments.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.encoders import halving
from medsynth.networks.patchgan import SLOPE


class MultiScaleDiscriminator(nn.Module):
    """Judge an image, its half and its quarter: (B, inputs, H, W) -> (B, 1, h, w) logits per scale, real if > 0.

    A judgment sees 46 pixels per side of its scale. H and W from 2^(levels + scales - 1) on: 64 by default.

    Args:
        inputs: channels of the images.
        width: channels of the first layer; doubled by each further one up to 8 * `width`.
        levels: halving layers of each network.
        scales: number of networks, each for an image of half the size.
    """

    def __init__(self, inputs: int, *, width: int = 64, levels: int = 4, scales: int = 3) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_judge(inputs, width, levels) for _ in range(scales))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the logits of each scale, the finest first."""
        judged = []
        for number, network in enumerate(self.scales):
            if number:
                images = F.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)
            judged.append(network(images))
        return judged


def _judge(inputs: int, width: int, levels: int) -> nn.Sequential:
    widths = [inputs] + [width * min(2**level, 8) for level in range(levels)]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [halving(before, after), nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))
