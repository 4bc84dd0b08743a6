"""The residual translation network: down-sampling, residual blocks, up-sampling.

Source: Johnson et al. 2016 and Zhu et al. 2017 (CycleGAN), appendix 7.2. Norms are instance norms without affine
parameters and without running statistics, so training and evaluation give the same image and every image of a batch is
treated alone. Convolutions keep their biases, as in the reference, though a norm cancels most of them.

Letters in shapes: B batch, C channels, H height, W width. Images are in [-1, 1].
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.blocks import Coordinates, InstanceNorm, ResidualBlock, WideConvolution
from medsynth.networks.sampling import Upsampling, downsampling, upsampling


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
        skips: add the features in front of each halving to those behind the doubling that undoes it, so that thin
            lines need not pass through the smallest maps. Source: Chaurasia and Culurciello 2017 (LinkNet), figure 1.
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
        skips: bool = False,
    ) -> None:
        super().__init__()
        self.multiple = 2**levels
        widths = [width * 2**level for level in range(levels + 1)]
        layers: list[nn.Module] = [WideConvolution(inputs, width, ends)]
        layers += [Coordinates(width)] if coordinates else []
        layers += [InstanceNorm(), nn.ReLU(inplace=True)]
        held, added = [], []
        for level in range(levels):
            held.append(len(layers) - 1)
            layers += downsampling(widths[level], widths[level + 1], kernel=kernel, antialiased=mode == "antialiased")
        layers += [] if middle is None else [middle]
        layers += [ResidualBlock(widths[-1], dropout=dropout, dilation=dilation) for _ in range(blocks)]
        for level in reversed(range(levels)):
            layers += upsampling(widths[level + 1], widths[level], mode=mode, kernel=kernel)
            added.append(len(layers) - 1)
        layers += [WideConvolution(width, outputs, ends), *([InstanceNorm()] if normalized else [])]
        self.layers = nn.Sequential(*layers)
        self.held, self.added = (held, added) if skips else ([], [])

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W) in [-1, 1]."""
        features, waiting = reflect_to_multiple(images, self.multiple), []
        for place, layer in enumerate(self.layers):
            features = layer(features)
            if place in self.held:
                waiting.append(features)
            elif place in self.added:
                features = features + waiting.pop()
        return as_image(features, like=images)


class ResnetGenerator(EncoderDecoder):
    """CycleGAN's generator: a few levels and a number of residual blocks.

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
        skips: lead features around the smaller ones, see `EncoderDecoder`.
        levels: times it halves the image; two in the paper.

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
        skips: bool = False,
        levels: int = 2,
    ) -> None:
        super().__init__(
            inputs,
            outputs,
            width=width,
            levels=levels,
            blocks=blocks,
            mode=mode,
            dropout=dropout,
            ends=ends,
            coordinates=coordinates,
            skips=skips,
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
            "skips": skips,
            "levels": levels,
        }
