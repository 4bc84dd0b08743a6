"""The generators' networks as they are usually written: PyTorch's own layers, one after the other.

Every builder lists its layers in the order of medsynth's network, so that weights can be copied parameter by parameter.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5
"""Of UNIT's and MUNIT's norms."""


class Residual(nn.Module):
    """Add to the input what two reflection-padded 3x3 convolutions make of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return features + self.layers(features)


class Downsample(nn.Module):
    """Blur by [1, 2, 1] and subsample: reflection padding, then a depthwise convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("taps", (torch.outer(taps, taps) / 16).repeat(channels, 1, 1, 1))
        self.pad = nn.ReflectionPad2d(1)

    def forward(self, features: Tensor) -> Tensor:
        """Halve H and W."""
        return F.conv2d(self.pad(features), self.taps, stride=2, groups=features.shape[1])


class Upsample(nn.Module):
    """Double the size by [1, 3, 3, 1]: replication padding, then a depthwise transposed convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("taps", (torch.outer(taps, taps) / 16).repeat(channels, 1, 1, 1))
        self.pad = nn.ReplicationPad2d(1)

    def forward(self, features: Tensor) -> Tensor:
        """Double H and W."""
        wide = F.conv_transpose2d(self.pad(features), self.taps, stride=2, padding=2, groups=features.shape[1])
        return wide[:, :, 1:, 1:][:, :, :-1, :-1]


def halve(inputs: int, outputs: int, mode: str) -> list[nn.Module]:
    """Return layers that halve H and W."""
    stride = 1 if mode == "antialiased" else 2
    layers = [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
        nn.InstanceNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
    return [*layers, Downsample(outputs)] if mode == "antialiased" else layers


def double(inputs: int, outputs: int, mode: str) -> list[nn.Module]:
    """Return layers that double H and W."""
    after = [nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True)]
    if mode == "transposed":
        return [nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1), *after]
    wider = Upsample(inputs) if mode == "antialiased" else nn.Upsample(scale_factor=2, mode=mode)
    return [wider, nn.Conv2d(inputs, outputs, 3, padding=1), *after]


def encoder_decoder(
    inputs: int, outputs: int, *, width: int, levels: int, blocks: int, mode: str, normalized: bool = False
) -> nn.Sequential:
    """Return the residual translation network with `levels` halvings, on request with a norm before the tanh."""
    widths = [width * 2**level for level in range(levels + 1)]
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7), nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]
    for level in range(levels):
        layers += halve(widths[level], widths[level + 1], mode)
    layers += [Residual(widths[-1]) for _ in range(blocks)]
    for level in reversed(range(levels)):
        layers += double(widths[level + 1], widths[level], mode)
    norm = [nn.InstanceNorm2d(outputs)] if normalized else []
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), *norm, nn.Tanh())


def judging(inputs: int, *, width: int, antialiased: bool = False, narrowing: bool = False) -> list[nn.Module]:
    """Return the layers of a PatchGAN with three halvings, without the last."""
    widths = [inputs, width, 2 * width, 4 * width, 8 * width] + ([4 * width] if narrowing else [])
    layers: list[nn.Module] = []
    for level, (before, after) in enumerate(pairwise(widths)):
        layers.append(nn.Conv2d(before, after, 4, stride=2 if level < 3 and not antialiased else 1, padding=1))
        layers += [nn.InstanceNorm2d(after)] if level else []
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers += [Downsample(after)] if level < 3 and antialiased else []
    return layers


def patch_gan(inputs: int, *, width: int, antialiased: bool = False) -> nn.Sequential:
    """Return a PatchGAN of three halvings."""
    return nn.Sequential(*judging(inputs, width=width, antialiased=antialiased), nn.Conv2d(8 * width, 1, 4, padding=1))


def domain_classifier(features: int, *, width: int) -> nn.Sequential:
    """Return SG-CycleGAN's domain classifier, one logit per image."""
    layers = judging(features, width=width, narrowing=True)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 1))


# ---------------------------------------------------------------- UNIT and MUNIT


def convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int) -> list[nn.Module]:
    """Return a convolution behind reflection padding."""
    return [nn.ReflectionPad2d(padding), nn.Conv2d(inputs, outputs, kernel, stride)]


def content_encoder(inputs: int, *, width: int, blocks: int) -> nn.Sequential:
    """Return the encoder of content: two halvings, then residual blocks."""
    layers = [*convolution(inputs, width, 7, padding=3), nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]
    for channels in (width, 2 * width):
        layers += convolution(channels, 2 * channels, 4, stride=2, padding=1)
        layers += [nn.InstanceNorm2d(2 * channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *(Residual(4 * width) for _ in range(blocks)))


def style_encoder(inputs: int, *, width: int, length: int) -> nn.Sequential:
    """Return the encoder of style: four halvings without norms, then the mean."""
    widths = [width, 2 * width, 4 * width, 4 * width, 4 * width]
    layers = [*convolution(inputs, width, 7, padding=3), nn.ReLU(inplace=True)]
    for before, after in pairwise(widths):
        layers += [*convolution(before, after, 4, stride=2, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(widths[-1], length, 1), nn.Flatten())


class LayerNorm(nn.Module):
    """Normalize each image by its mean and unbiased deviation over channels and pixels; gain and shift per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        flat = features.flatten(1)
        mean, deviation = (value.view(-1, 1, 1, 1) for value in (flat.mean(1), flat.std(1)))
        return (features - mean) / (deviation + EPS) * self.gain.view(1, -1, 1, 1) + self.shift.view(1, -1, 1, 1)


def image_layers(outputs: int, *, width: int) -> nn.Sequential:
    """Return the second half of a decoder."""
    layers: list[nn.Module] = []
    for channels in (4 * width, 2 * width):
        layers += [nn.Upsample(scale_factor=2), *convolution(channels, channels // 2, 5, padding=2)]
        layers += [LayerNorm(channels // 2), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *convolution(width, outputs, 7, padding=3), nn.Tanh())


def content_decoder(outputs: int, *, width: int, blocks: int) -> nn.Sequential:
    """Return UNIT's decoder."""
    return nn.Sequential(*(Residual(4 * width) for _ in range(blocks)), image_layers(outputs, width=width))


class AdaptiveResidual(nn.Module):
    """A residual block that takes shift and scale of its two instance norms from outside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Sequential(*convolution(channels, channels, 3, padding=1)) for _ in range(2))

    def forward(self, features: Tensor, looks: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape; `looks` is (B, 4 * channels)."""
        for_first, for_second = looks.chunk(2, dim=1)
        inner = F.relu(self.normalize(self.first(features), for_first), inplace=True)
        return features + self.normalize(self.second(inner), for_second)

    def normalize(self, features: Tensor, looks: Tensor) -> Tensor:
        """Adaptive instance norm: batch norm of the images' channels side by side."""
        shift, scale = looks.chunk(2, dim=1)
        beside = features.reshape(1, -1, *features.shape[2:])
        weights = {"weight": scale.flatten(), "bias": shift.flatten()}
        return F.batch_norm(beside, None, None, **weights, training=True, eps=EPS).view_as(features)


class StyledDecoder(nn.Module):
    """MUNIT's decoder with the linear layers that turn a style into the norms' shifts and scales."""

    def __init__(self, outputs: int, *, width: int, blocks: int, style: int, hidden: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(AdaptiveResidual(4 * width) for _ in range(blocks))
        self.image = image_layers(outputs, width=width)
        self.looks = nn.Sequential(
            nn.Linear(style, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, 16 * width * blocks),
        )

    def forward(self, content: Tensor, styles: Tensor) -> Tensor:
        """Map content and (B, style) styles to images."""
        looks = self.looks(styles).split(content.shape[1] * 4, dim=1)
        for block, look in zip(self.blocks, looks, strict=True):
            content = block(content, look)
        return self.image(content)


class MultiScale(nn.Module):
    """Judge an image, its half and its quarter."""

    def __init__(self, inputs: int, *, width: int, levels: int, scales: int) -> None:
        super().__init__()
        widths = [inputs] + [width * min(2**level, 8) for level in range(levels)]
        self.networks, self.halve = nn.ModuleList(), nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        for _ in range(scales):
            layers: list[nn.Module] = []
            for before, after in pairwise(widths):
                layers += [*convolution(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
            self.networks.append(nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the judgments of each scale."""
        judged = []
        for network in self.networks:
            judged.append(network(images))
            images = self.halve(images)
        return judged
