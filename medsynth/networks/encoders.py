"""Networks of translators that pass through a content code: encoder, decoder, adaptive norm, style (UNIT, MUNIT).

Source: Huang et al. 2018 (MUNIT), section 5.1 and appendix B.2; UNIT in the re-implementation that shares these parts.
Convolutions are padded by reflection.

Letters in shapes: B batch, C channels, H height, W width, S length of a style, k = 2^levels. Images are in [-1, 1].
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.blocks import Coordinates, InstanceNorm, ResidualBlock, WideConvolution

EPS = 1e-5


def halving(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 4x4 convolution that halves even H and W."""
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, padding_mode="reflect")


class ContentEncoder(nn.Module):
    """Encode what an image shows: (B, inputs, H, W) -> (B, k * width, H / k, W / k); k must divide H and W.

    Args:
        inputs: channels of the images.
        width: channels of the first layer; doubled by every level.
        blocks: residual blocks at the end.
        ends: odd side of the first convolution.
        levels: times the image is halved.
    """

    def __init__(self, inputs: int, *, width: int, blocks: int, ends: int = 7, levels: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = [WideConvolution(inputs, width, ends), InstanceNorm(), nn.ReLU(inplace=True)]
        for level in range(levels):
            layers += [halving(width << level, width << level + 1), InstanceNorm(), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.blocks = nn.Sequential(*(ResidualBlock(width << levels) for _ in range(blocks)))

    def forward(self, images: Tensor) -> Tensor:
        """Return the content."""
        content: Tensor = self.blocks(self.layers(images))
        return content


class StyleEncoder(nn.Module):
    """Encode how an image looks, without norms that would remove it: (B, inputs, H, W) -> (B, length).

    Args:
        inputs: channels of the images.
        width: channels of the first layer; doubled twice.
        length: S.
        ends: odd side of the first convolution.
    """

    def __init__(self, inputs: int, *, width: int, length: int, ends: int = 7) -> None:
        super().__init__()
        widths = [width, 2 * width, *[4 * width] * 3]
        layers: list[nn.Module] = [WideConvolution(inputs, width, ends), nn.ReLU(inplace=True)]
        for before, after in pairwise(widths):
            layers += [halving(before, after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(widths[-1], length, 1), nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        """Return the styles."""
        styles: Tensor = self.layers(images)
        return styles


class ImageNorm(nn.Module):
    """Normalize every image over all channels and pixels, then scale and shift every channel.

    y = gain (x - mean) / (deviation + 1e-5) + shift with the unbiased deviation: the layer norm of the published code.
    Gains start from U(0, 1).

    Args:
        channels: of the features, (B, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Normalize; statistics are computed in float32."""
        count = features[0].numel()
        # Group norm has the biased variance and adds to it, not to the deviation; it takes a tenth of the time of
        # separate means, and for deviations above 0.01 the difference is below a thousandth.
        gain = self.gain * math.sqrt((count - 1) / count)
        return F.group_norm(features, 1, gain, self.shift, EPS**2).to(features.dtype)


class RepeatedConvolution(nn.Conv2d):
    """Repeat every pixel to double H and W, pad by reflection, convolve with 5x5 weights.

    (B, inputs, H, W) -> (B, outputs, 2H, 2W), H and W above 2.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 5)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, 2H, 2W)."""
        if features.device.type != "cpu":
            return self._plain(features, (2, 2, 2, 2))
        # Away from the border a transposed convolution gives the same sums from 9 instead of 25 products each.
        wide = F.pad(self.weight, (1, 1, 1, 1))
        rows = wide[..., 1:, :] + wide[..., :-1, :]
        taps = (rows[..., 1:] + rows[..., :-1]).flip(2, 3).transpose(0, 1)
        inner = F.conv_transpose2d(features, taps, self.bias, stride=2, padding=4)
        left, right = self._plain(features[..., :2], (2, 0, 0, 0)), self._plain(features[..., -2:], (0, 2, 0, 0))
        top, bottom = self._plain(features[..., :2, :], (2, 2, 2, 0)), self._plain(features[..., -2:, :], (2, 2, 0, 2))
        return torch.cat([top, torch.cat([left, inner, right], dim=3), bottom], dim=2)

    def _plain(self, features: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
        repeated = F.interpolate(features, scale_factor=2.0, mode="nearest")
        return F.conv2d(F.pad(repeated, padding, mode="reflect"), self.weight, self.bias)


def image_layers(outputs: int, *, width: int, ends: int, levels: int) -> nn.Sequential:
    """Return the second half of a decoder: (B, k * width, H / k, W / k) -> (B, outputs, H, W), before its tanh."""
    layers: list[nn.Module] = []
    for level in reversed(range(levels)):
        narrow = width << level
        layers += [RepeatedConvolution(2 * narrow, narrow), ImageNorm(narrow), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, WideConvolution(width, outputs, ends))


class Decoder(nn.Module):
    """Turn content into an image's values before tanh: (B, k * width, H / k, W / k) -> (B, outputs, H, W).

    Args:
        outputs: channels of the images.
        width: channels of the last layer but one.
        blocks: residual blocks at the start.
        ends: odd side of the last convolution.
        coordinates: tell the decoder where in the image it is, see `Coordinates`.
        levels: times the content is doubled.
    """

    def __init__(
        self, outputs: int, *, width: int, blocks: int, ends: int = 7, coordinates: bool = False, levels: int = 2
    ) -> None:
        super().__init__()
        self.place = Coordinates(width << levels) if coordinates else nn.Identity()
        self.blocks = nn.Sequential(*(ResidualBlock(width << levels) for _ in range(blocks)))
        self.image = image_layers(outputs, width=width, ends=ends, levels=levels)

    def forward(self, content: Tensor) -> Tensor:
        """Decode."""
        values: Tensor = self.image(self.blocks(self.place(content)))
        return values


def adaptive_norm(features: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Give every channel of every image a wished mean and deviation (AdaIN).

    y = scale (x - mean) / sqrt(variance + 1e-5) + shift over H and W, with the biased variance.

    Source: Huang and Belongie 2017, equation 8.

    Args:
        features: (B, C, H, W).
        shift, scale: (B, C).
    """
    batch, channels = features.shape[:2]
    # All images' channels side by side, so that one norm with weights does it.
    beside = features.reshape(1, batch * channels, *features.shape[2:])
    return F.group_norm(beside, batch * channels, scale.flatten(), shift.flatten(), EPS).view_as(features)


class AdaptiveBlock(nn.Module):
    """A residual block whose two norms are adaptive: (B, C, H, W) and (B, 4 * C) -> (B, C, H, W).

    Args:
        channels: C.

    Attributes:
        recomputable: see `ResidualBlock`.
    """

    recomputable = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect") for _ in range(2)
        )

    def forward(self, features: Tensor, looks: Tensor) -> Tensor:
        """Transform; `looks` holds shift and scale of the first norm, then those of the second."""
        shift_1, scale_1, shift_2, scale_2 = looks.chunk(4, dim=1)
        inner = F.relu(adaptive_norm(self.first(features), shift_1, scale_1))
        return features + adaptive_norm(self.second(inner), shift_2, scale_2)


class StyledDecoder(nn.Module):
    """Turn content and style into an image's values before tanh.

    (B, k * width, H / k, W / k) and (B, style) -> (B, outputs, H, W). A network of linear layers turns a style into the
    means and deviations of the adaptive norms. Nothing of a call is kept in the module.

    Args:
        outputs: channels of the images.
        width: channels of the last layer but one.
        blocks: residual blocks with adaptive norms.
        style: length of a style.
        hidden: width of the linear layers.
        ends, coordinates, levels: as in `Decoder`.
    """

    def __init__(
        self,
        outputs: int,
        *,
        width: int,
        blocks: int,
        style: int,
        hidden: int,
        ends: int = 7,
        coordinates: bool = False,
        levels: int = 2,
    ) -> None:
        super().__init__()
        content = width << levels
        self.place = Coordinates(content) if coordinates else nn.Identity()
        self.blocks = nn.ModuleList(AdaptiveBlock(content) for _ in range(blocks))
        self.image = image_layers(outputs, width=width, ends=ends, levels=levels)
        self.looks = nn.Sequential(
            nn.Linear(style, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, 4 * content * blocks),
        )

    def forward(self, content: Tensor, styles: Tensor) -> Tensor:
        """Decode."""
        content = self.place(content)
        for block, looks in zip(self.blocks, self.looks(styles).chunk(max(1, len(self.blocks)), dim=1), strict=False):
            content = block(content, looks)
        values: Tensor = self.image(content)
        return values
