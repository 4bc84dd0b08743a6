"""The network of `example-tone`."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class ToneCurve(nn.Module):
    """A pixel-wise curve from source to target grey values, (B, C, H, W) to (B, C, H, W) in [-1, 1]."""

    def __init__(self, channels: int, knots: int) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {"channels": channels, "knots": knots}
        self.layers = nn.Sequential(nn.Conv2d(channels, knots, 1), nn.Tanh(), nn.Conv2d(knots, channels, 1), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        """Apply the curve."""
        return self.layers(images)
