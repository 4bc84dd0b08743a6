"""The residual translation network and its parts: down-sampling, residual blocks, up-sampling.

Source: Johnson et al. 2016 and Zhu et al. 2017 (CycleGAN), appendix 7.2. Norms are instance norms without affine
parameters and without running statistics, so training and evaluation give the same image and every image of a batch is
treated alone. Convolutions keep their biases, as in the reference, though a norm cancels most of them.

Letters in shapes: B batch, C channels, H height, W width. Images are in [-1, 1].
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.antialiasing import BlurSubsample, BlurUpsample

REACH = 7.0
"""Of `Coordinates` to either side of the middle."""

Upsampling = Literal["transposed", "nearest", "bilinear", "antialiased"]


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


def reflect_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Continue (B, C, H, W) by reflection at the bottom and on the right until `multiple` divides H and W."""
    missing_rows, missing_columns = (-side % multiple for side in images.shape[-2:])
    if not (missing_rows or missing_columns):
        return images
    return F.pad(images, (0, missing_columns, 0, missing_rows), mode="reflect")


def as_image(activations: Tensor, *, like: Tensor) -> Tensor:
    """Bring a network's last activations into [-1, 1] by tanh and crop them to the size of `like`, in its type."""
    # In mixed precision the image itself stays exact: losses and replay pools read it.
    translated = torch.tanh(activations.float()).to(like.dtype)
    return translated[..., : like.shape[-2], : like.shape[-1]]


class EncoderDecoder(nn.Module):
    """Halve the image `levels` times, transform it, double it again; output in [-1, 1] through tanh.

    (B, inputs, H, W) -> (B, outputs, H, W), same type. Any H and W: sizes that are no multiple of 2^levels are padded
    by reflection at the bottom and on the right, and cropped back.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        width: channels after the first convolution; doubled by every level.
        levels: number of halvings.
        blocks: residual blocks at the lowest resolution.
        mode: how to double H and W, see `upsampling`; ``antialiased`` also how to halve them.
        kernel: odd side of the sampling convolutions.
        dropout: inside the residual blocks.
        middle: further layer in front of the residual blocks, at width * 2^levels channels.
        ends: odd side of the first and the last convolution, at full size.
        dilation: of the residual blocks.
        normalized: normalize every channel before the tanh, so that no channel can become small.
        coordinates: tell the network where in the image it is, see `Coordinates`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int,
        levels: int,
        blocks: int,
        mode: Upsampling,
        kernel: int = 3,
        dropout: float = 0.0,
        middle: nn.Module | None = None,
        ends: int = 7,
        dilation: int = 1,
        normalized: bool = False,
        coordinates: bool = False,
    ) -> None:
        super().__init__()
        self.multiple = 2**levels
        widths = [width * 2**level for level in range(levels + 1)]
        layers: list[nn.Module] = [WideConvolution(inputs, width, ends)]
        layers += [Coordinates(width)] if coordinates else []
        layers += [InstanceNorm(), nn.ReLU(inplace=True)]
        for level in range(levels):
            layers += downsampling(widths[level], widths[level + 1], kernel=kernel, antialiased=mode == "antialiased")
        layers += [] if middle is None else [middle]
        layers += [ResidualBlock(widths[-1], dropout=dropout, dilation=dilation) for _ in range(blocks)]
        for level in reversed(range(levels)):
            layers += upsampling(widths[level + 1], widths[level], mode=mode, kernel=kernel)
        layers += [WideConvolution(width, outputs, ends), *([InstanceNorm()] if normalized else [])]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W) in [-1, 1]."""
        return as_image(self.layers(reflect_to_multiple(images, self.multiple)), like=images)


class ResnetGenerator(EncoderDecoder):
    """CycleGAN's generator: two levels and a number of residual blocks.

    (B, inputs, H, W) -> (B, outputs, H, W), both in [-1, 1].

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        width: channels after the first convolution.
        blocks: residual blocks; the paper takes 9 from 256 pixels on, 6 for 128.
        mode: how to double H and W, see `upsampling`; ``antialiased`` also how to halve them.
        dropout: inside the residual blocks.
        ends: odd side of the first and the last convolution.
        coordinates: tell the network where in the image it is.

    Attributes:
        arguments: the keyword arguments that rebuild the network.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int = 64,
        blocks: int = 9,
        mode: Upsampling = "transposed",
        dropout: float = 0.0,
        ends: int = 7,
        coordinates: bool = False,
    ) -> None:
        super().__init__(
            inputs,
            outputs,
            width=width,
            levels=2,
            blocks=blocks,
            mode=mode,
            dropout=dropout,
            ends=ends,
            coordinates=coordinates,
        )
        self.arguments: dict[str, Any] = {
            "inputs": inputs,
            "outputs": outputs,
            "width": width,
            "blocks": blocks,
            "mode": mode,
            "dropout": dropout,
            "ends": ends,
            "coordinates": coordinates,
        }
