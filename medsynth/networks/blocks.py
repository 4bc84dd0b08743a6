"""Parts of translation networks that keep the size of their features.

Letters in shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REACH = 7.0
"""Of `Coordinates` to either side of the middle."""


class InstanceNorm(nn.Module):
    """Normalize every channel of every image to mean 0 and (biased) variance 1; eps 1e-5; no parameters.

    (B, C, H, W) -> same shape and type. Statistics are computed in float32 for half-precision input, too.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Normalize; H * W must be above 1 for a result that means anything."""
        # The same function twice: group norm takes less than half the time on a CPU, but autocast on CUDA would
        # turn its output, and with it all traffic between layers, into float32.
        if features.device.type == "cpu":
            return F.group_norm(features, features.shape[1])
        return F.instance_norm(features)


class ResidualBlock(nn.Module):
    """Add to the input what two reflection-padded 3x3 convolutions make of it; no activation after the sum.

    Args:
        channels: of input and output, (B, channels, H, W) with H, W > 1.
        dropout: probability of dropping a value between the convolutions while training.
        dilation: distance of the pixels that a convolution sees; 2 sees twice as far at the same cost.

    Attributes:
        recomputable: training may drop what the block holds and compute it again in the backward pass.
    """

    recomputable = True

    def __init__(self, channels: int, *, dropout: float = 0.0, dilation: int = 1) -> None:
        super().__init__()
        spaced: dict[str, Any] = {"padding": dilation, "dilation": dilation, "padding_mode": "reflect"}
        between: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, **spaced),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            *between,
            nn.Conv2d(channels, channels, 3, **spaced),
            InstanceNorm(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        change: Tensor = self.layers(features)
        return features + change


class WideConvolution(nn.Conv2d):
    """A reflection-padded convolution: (B, inputs, H, W) -> (B, outputs, H, W), H and W above `kernel` // 2.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel: odd side; 7 as published.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 7) -> None:
        super().__init__(inputs, outputs, kernel)
        self.margin = kernel // 2

    def forward(self, features: Tensor) -> Tensor:
        """Convolve."""
        padded = F.pad(features, (self.margin,) * 4, mode="reflect")
        weight, bias = self.weight, self.bias
        assert bias is not None
        few, even = weight.shape[0] <= 8, features.shape[-2] % 2 == features.shape[-1] % 2 == 0
        if not (self.training and features.device.type == "cpu" and few and even):
            return F.conv2d(padded, weight, bias)
        # Few output channels leave a CPU's vector units idle. The four pixels of a 2x2 square as further channels
        # give the same sums, in half the time of a training step.
        shifted = [F.pad(weight, (column, 1 - column, row, 1 - row)) for row in (0, 1) for column in (0, 1)]
        squares = F.conv2d(padded, torch.stack(shifted, 1).flatten(0, 1), bias.repeat_interleave(4), stride=2)
        return F.pixel_shuffle(squares, 2)


class Coordinates(nn.Module):
    """Add to (B, channels, H, W) features a learned linear function of row and column.

    A network whose convolutions are padded by reflection cannot know where in the image it is; one that draws a scan's
    fan has to. Adding is what a convolution over two further channels with row and column does. Both run from -7 to 7,
    so that with weights as small as all others position counts as much at the start as what a 7x7 convolution sees.

    Source: Liu et al. 2018 (CoordConv), section 3.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.place = nn.Conv2d(2, channels, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape and type."""
        height, width = features.shape[-2:]
        rows = torch.linspace(-REACH, REACH, height, dtype=features.dtype, device=features.device)
        columns = torch.linspace(-REACH, REACH, width, dtype=features.dtype, device=features.device)
        grid = torch.stack([rows[:, None].expand(height, width), columns.expand(height, width)])
        placed: Tensor = features + self.place(grid[None])
        return placed
