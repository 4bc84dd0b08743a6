"""Discriminators that judge overlapping patches: PatchGAN and its one-pixel form.

Source: Isola et al. 2017, section 3.2.2 and appendix 6.1.2. They return logits: no sigmoid at the end.
Letters in shapes: B batch, C channels, H height, W width, h, w sides of the map of judgments.
"""

from __future__ import annotations

from torch import Tensor, nn

from medsynth.networks.antialiasing import BlurSubsample
from medsynth.networks.blocks import InstanceNorm

SLOPE = 0.2


def patch_layers(
    inputs: int, *, width: int, levels: int, narrowing: bool = False, antialiased: bool = False
) -> tuple[list[nn.Module], int]:
    """Return the layers in front of a judgment, and their output channels.

    `levels` 4x4 convolutions of stride 2 (the first without norm), then one of stride 1; channels double from `width`
    up to 8 * `width`. All end in a leaky ReLU.

    Args:
        inputs: channels of the input.
        width: channels of the first layer.
        levels: number of strided layers, at least 1.
        narrowing: one more 4x4 layer of stride 1 down to 4 * `width` channels.
        antialiased: give the strided convolutions stride 1 and subsample what their activation returns, smoothed.
    """
    widths = [inputs] + [width * min(2**level, 8) for level in range(levels + 1)] + ([width * 4] if narrowing else [])
    layers: list[nn.Module] = []
    for level in range(len(widths) - 1):
        halving = level < levels
        stride = 2 if halving and not antialiased else 1
        layers += [nn.Conv2d(widths[level], widths[level + 1], 4, stride=stride, padding=1)]
        layers += [InstanceNorm()] if level else []
        layers += [nn.LeakyReLU(SLOPE, inplace=True)]
        layers += [BlurSubsample()] if halving and antialiased else []
    return layers, widths[-1]


class PatchGan(nn.Module):
    """Judge every patch of an image: (B, inputs, H, W) -> (B, 1, h, w) logits, real where positive.

    With three levels a judgment sees 70x70 pixels and h = H / 8 - 2; H and W from 24 on.

    Args:
        inputs: channels of the images.
        width: channels of the first layer.
        levels: number of strided layers.
        narrowing: one more layer in front of the last, as SG-CycleGAN's published code has it.
        average: return the mean of the map, (B, 1, 1, 1).
        antialiased: smooth before subsampling, see `patch_layers`; same map, same number of parameters.
    """

    def __init__(
        self,
        inputs: int,
        *,
        width: int = 64,
        levels: int = 3,
        narrowing: bool = False,
        average: bool = False,
        antialiased: bool = False,
    ) -> None:
        super().__init__()
        layers, channels = patch_layers(
            inputs, width=width, levels=levels, narrowing=narrowing, antialiased=antialiased
        )
        layers.append(nn.Conv2d(channels, 1, 4, padding=1))
        if average:
            layers.append(nn.AdaptiveAvgPool2d(1))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.layers(images)
        return logits


class PixelGan(nn.Module):
    """Judge every pixel for itself: (B, inputs, H, W) -> (B, 1, H, W) logits.

    Args:
        inputs: channels of the images.
        width: channels of the first of the three 1x1 convolutions.
    """

    def __init__(self, inputs: int, *, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, width, 1),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Conv2d(width, 2 * width, 1),
            InstanceNorm(),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.layers(images)
        return logits
