"""EfficientNet (Tan and Le 2019), whole or cut after any stage.

Letters in shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medsynth.networks.mobile import (
    ConvNormActivation,
    InvertedResidual,
    classification_head,
    initialize,
    round_channels,
    strides,
)


class Stage(NamedTuple):
    """A row of the paper's Table 1."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    blocks: int


STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
"""EfficientNet-B0: width 1 and depth 1."""
STEM, LAST, SQUEEZE = 32, 1280, 4


class SqueezeExcitation(nn.Module):
    """Scale each channel by a number in (0, 1) that depends on the means of all channels.

    Args:
        channels: of the features, (B, channels, H, W).
        reduced: channels of the layer between.
    """

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, reduced, 1),
            nn.SiLU(inplace=True),
            nn.Conv2d(reduced, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        result: Tensor = features * self.layers(features)
        return result


class MBConv(InvertedResidual):
    """Inverted residual with SiLU, squeeze-excitation to a quarter of the block's inputs, and stochastic depth.

    Args:
        inputs: channels of the input, (B, inputs, H, W).
        outputs: channels of the output.
        expansion, kernel, stride: see `InvertedResidual`.
        drop: probability that training skips the block for an image, where there is a path around it.
    """

    def __init__(self, inputs: int, outputs: int, *, expansion: int, kernel: int, stride: int, drop: float) -> None:
        super().__init__(
            inputs,
            outputs,
            stride=stride,
            expansion=expansion,
            activation=nn.SiLU,
            kernel=kernel,
            inner=SqueezeExcitation(inputs * expansion, max(1, inputs // SQUEEZE)),
        )
        self.drop = drop

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        result: Tensor = self.layers(features)
        if not self.skip:
            return result
        if self.training and self.drop:
            keep = 1.0 - self.drop
            # Divided, so that the expected sum is the one of evaluation.
            result = result * (torch.rand(len(result), 1, 1, 1, device=result.device) < keep) / keep
        return features + result


class EfficientNet(nn.Module):
    """The network; `forward(images) -> logits`.

    Args:
        channels: of the images, (B, channels, H, W) in [-1, 1].
        classes: number of classes.
        width: multiplies the channel counts, rounded to multiples of 8.
        depth: multiplies the blocks of each stage, rounded up.
        stages: how many of the seven stages there are.
        last: channels of the last convolution; 0 = 1280 * width, as published.
        hidden: units of a ReLU layer between pooled features and logits; 0 leaves it out, as published.
        dropout: share of pooled features dropped in training.
        drop_path: probability of skipping the deepest block in training; it rises linearly from 0 at the first one.
        halvings: how often H and W are halved; 0 = as published: `published_halvings`.
    """

    def __init__(
        self,
        *,
        channels: int,
        classes: int = 2,
        width: float = 1.0,
        depth: float = 1.0,
        stages: int = 7,
        last: int = 0,
        hidden: int = 0,
        dropout: float = 0.2,
        drop_path: float = 0.2,
        halvings: int = 0,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "channels": channels,
            "classes": classes,
            "width": width,
            "depth": depth,
            "stages": stages,
            "last": last,
            "hidden": hidden,
            "dropout": dropout,
            "drop_path": drop_path,
            "halvings": halvings,
        }
        published = published_halvings(stages)
        first, *others = strides(published, halvings or published)
        inputs, last = round_channels(STEM * width), last or round_channels(LAST * width)
        table = _with_strides(STAGES[:stages], others)
        blocks, outputs = _blocks(table, inputs, width=width, depth=depth, drop_path=drop_path)
        self.features = nn.Sequential(
            ConvNormActivation(channels, inputs, kernel=3, stride=first, activation=nn.SiLU),
            *blocks,
            ConvNormActivation(outputs, last, kernel=1, activation=nn.SiLU),
        )
        self.head = classification_head(last, classes, hidden=hidden, dropout=dropout)
        initialize(self, linear_std=0.01)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to (B, classes) logits."""
        logits: Tensor = self.head(self.features(images).mean(dim=(2, 3)))
        return logits


def published_halvings(stages: int) -> int:
    """Return how often a network of the first `stages` stages halves its maps as published, the stem included."""
    return 1 + sum(stage.stride == 2 for stage in STAGES[:stages])


def _with_strides(stages: Sequence[Stage], chosen: Sequence[int]) -> list[Stage]:
    """Give those stages that halve their maps as published the `chosen` strides, in order."""
    left = iter(chosen)
    return [stage._replace(stride=next(left)) if stage.stride == 2 else stage for stage in stages]


def _blocks(
    stages: Sequence[Stage], inputs: int, *, width: float, depth: float, drop_path: float
) -> tuple[list[MBConv], int]:
    """Return the blocks of these stages and the channels of the last one."""
    # Rounded first, because 3 * 1.2 may come out a little above 3.6 and a whole number a little above itself.
    rows = [stage for stage in stages for _ in range(math.ceil(round(stage.blocks * depth, 6)))]
    blocks: list[MBConv] = []
    for index, stage in enumerate(rows):
        outputs, first = round_channels(stage.channels * width), not index or rows[index - 1] is not stage
        blocks.append(
            MBConv(
                inputs,
                outputs,
                expansion=stage.expansion,
                kernel=stage.kernel,
                stride=stage.stride if first else 1,
                drop=drop_path * index / len(rows),
            )
        )
        inputs = outputs
    return blocks, inputs
