"""MobileNet-V2 (Sandler et al. 2018).

Letters in shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from medsynth.networks.mobile import (
    ConvNormActivation,
    InvertedResidual,
    classification_head,
    initialize,
    round_channels,
    strides,
)

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels at width 1, blocks, stride of the first block."""
STEM, LAST = 32, 1280
HALVINGS = 5
"""As published: the stem and four stages."""


class MobileNetV2(nn.Module):
    """The network; `forward(images) -> logits`.

    Args:
        channels: of the images, (B, channels, H, W) in [-1, 1].
        classes: number of classes.
        width: multiplies the channel counts, rounded to multiples of 8; the last convolution never gets narrower
            than 1280.
        hidden: units of a ReLU layer between pooled features and logits; 0 leaves it out.
        dropout: share of pooled features dropped in training.
        halvings: how often H and W are halved, 5 as published.
    """

    def __init__(
        self,
        *,
        channels: int,
        classes: int = 2,
        width: float = 1.0,
        hidden: int = 0,
        dropout: float = 0.2,
        halvings: int = HALVINGS,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "channels": channels,
            "classes": classes,
            "width": width,
            "hidden": hidden,
            "dropout": dropout,
            "halvings": halvings,
        }
        stem, *others = strides(HALVINGS, halvings)
        left = iter(others)
        inputs, last = round_channels(STEM * width), round_channels(LAST * max(1.0, width))
        layers: list[nn.Module] = [ConvNormActivation(channels, inputs, kernel=3, stride=stem)]
        for expansion, base, blocks, stride in STAGES:
            outputs, first = round_channels(base * width), next(left) if stride == 2 else 1
            for index in range(blocks):
                layers.append(InvertedResidual(inputs, outputs, stride=1 if index else first, expansion=expansion))
                inputs = outputs
        layers.append(ConvNormActivation(inputs, last, kernel=1))
        self.features = nn.Sequential(*layers)
        self.head = classification_head(last, classes, hidden=hidden, dropout=dropout)
        initialize(self, linear_std=0.01)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to (B, classes) logits."""
        logits: Tensor = self.head(self.features(images).mean(dim=(2, 3)))
        return logits
