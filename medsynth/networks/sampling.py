"""Layers that halve or double height and width.

Letters in shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.antialiasing import BlurSubsample, BlurUpsample
from medsynth.networks.blocks import InstanceNorm

Upsampling = Literal["transposed", "nearest", "bilinear", "antialiased"]


def downsampling(inputs: int, outputs: int, *, kernel: int = 3, antialiased: bool = False) -> list[nn.Module]:
    """Return layers that halve even H and W: strided convolution, norm, ReLU.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel: odd side of the convolution.
        antialiased: convolve at full size and subsample a smoothed result at the end.
    """
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=1 if antialiased else 2, padding=kernel // 2)
    layers: list[nn.Module] = [convolution, InstanceNorm(), nn.ReLU(inplace=True)]
    return [*layers, BlurSubsample()] if antialiased else layers


class NearestConvolution(nn.Conv2d):
    """Double H and W by repeating every pixel, then convolve; computed in one go, four times as fast.

    (B, inputs, H, W) -> (B, outputs, 2H, 2W). Repeating pixels before a k x k convolution equals a transposed
    convolution of stride 2 whose (k + 1) x (k + 1) kernel holds sums of neighboring weights: with weights u v w, the
    taps are u, u + v, v + w, w.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel: odd side of the convolution.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, 2H, 2W)."""
        wide = F.pad(self.weight, (1, 1, 1, 1))
        rows = wide[..., 1:, :] + wide[..., :-1, :]
        taps = (rows[..., 1:] + rows[..., :-1]).flip(2, 3).transpose(0, 1)
        return F.conv_transpose2d(features, taps, self.bias, stride=2, padding=self.kernel_size[0] // 2)


def upsampling(inputs: int, outputs: int, *, mode: Upsampling, kernel: int = 3) -> list[nn.Module]:
    """Return layers that double H and W: transposed convolution or interpolation + convolution; norm, ReLU.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        mode: ``transposed`` as in the reference; ``nearest`` and ``bilinear`` avoid its checkerboard patterns and
            have as many parameters; ``antialiased`` doubles as ``bilinear`` does, see `downsampling` for the rest.
        kernel: odd side of the convolution.
    """
    after = [InstanceNorm(), nn.ReLU(inplace=True)]
    if mode == "transposed":
        convolution = nn.ConvTranspose2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, output_padding=1)
        return [convolution, *after]
    if mode == "nearest":
        return [NearestConvolution(inputs, outputs, kernel), *after]
    return [BlurUpsample(), nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), *after]
