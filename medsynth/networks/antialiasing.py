"""Halving and doubling the size without aliasing.

Source: Zhang 2019 (Making convolutional networks shift-invariant again). Letters in shapes: B batch, C channels, H
height, W width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BlurSubsample(nn.Module):
    """Smooth every channel by [1, 2, 1] x [1, 2, 1] / 16 and keep every second row and column; no parameters.

    (B, C, H, W) with H, W > 1 -> (B, C, ceil(H / 2), ceil(W / 2)), same type. The border is continued by reflection.
    """

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("weights", torch.outer(taps, taps), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Smooth and subsample."""
        channels = features.shape[1]
        padded = F.pad(features, (1, 1, 1, 1), mode="reflect")
        kernel = self.weights.to(features.dtype).expand(channels, 1, 3, 3)
        return F.conv2d(padded, kernel, stride=2, groups=channels)


class BlurUpsample(nn.Module):
    """Double H and W by the filter [1, 3, 3, 1] x [1, 3, 3, 1] / 16, which is bilinear interpolation; no parameters.

    (B, C, H, W) -> (B, C, 2H, 2W), same type. The border is continued by its own values.
    """

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
        self.register_buffer("weights", torch.outer(taps, taps), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Double the size."""
        # The same function twice: the depthwise form takes a third of the time on a CPU.
        if features.device.type != "cpu":
            return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
        channels = features.shape[1]
        padded = F.pad(features, (1, 1, 1, 1), mode="replicate")
        kernel = self.weights.to(features.dtype).expand(channels, 1, 4, 4)
        return F.conv_transpose2d(padded, kernel, stride=2, padding=3, groups=channels)
