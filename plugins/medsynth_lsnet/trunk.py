"""What student and teacher have in common: the convolutional trunk and the frame of an attention block.

Letters in shapes: B batch, C channels, D width of a token, H height, W width, P = 4 pixel positions in a 2x2 patch,
N patches, h heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from medsynth.networks.attention import to_features, to_tokens
from medsynth.networks.mobile import ConvNormActivation, InvertedResidual, round_channels, strides

Three = tuple[int, int, int]
HALVINGS = 5
"""As published: the stem, one in front of the attention blocks, and one with each of them."""
ACTIVATIONS = {"relu6": nn.ReLU6, "silu": nn.SiLU}
"""Of all convolutions outside the inverted residuals: as published, or as MobileViT has them."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Widths and depths of a student or teacher.

    Args:
        stem: channels of the first convolution, of the inverted residual after it, and of the next three.
        blocks: channels of the three attention blocks.
        dims: token widths of the three attention blocks.
        depths: layers of the three attention blocks.
        expansion: of the inverted residuals.
        head: channels before the mean over space.
    """

    stem: Three
    blocks: Three
    dims: Three
    depths: Three
    expansion: int
    head: int

    def scaled(self, width: float) -> Sizes:
        """Multiply all channel counts by `width`, rounded to multiples of 8."""

        def scale(three: Three) -> Three:
            first, second, third = (round_channels(channels * width) for channels in three)
            return first, second, third

        stem, blocks, dims = scale(self.stem), scale(self.blocks), scale(self.dims)
        return replace(self, stem=stem, blocks=blocks, dims=dims, head=round_channels(self.head * width))


class Outcome(NamedTuple):
    """What a student or teacher gives in training."""

    logits: Tensor
    """(B, classes)."""
    features: Tensor
    """(B, head): the mean over space before the last layer."""
    maps: list[Tensor]
    """Three (B, P, h, N, N) maps: the student's simulated gradients or the teacher's attention scores."""


class PatchBlock(nn.Module):
    """The convolutional frame of an attention block; `tokens` and `features` lead in and out of the patches.

    Args:
        channels: of the features, (B, channels, H, W).
        dim: width of a token.
        activation: one of `ACTIVATIONS`; ``silu`` leaves the tokens linear, as MobileViT does.
    """

    def __init__(self, channels: int, dim: int, *, activation: str) -> None:
        super().__init__()
        chosen = ACTIVATIONS[activation]
        of_tokens = None if activation == "silu" else chosen
        self.local = nn.Sequential(
            ConvNormActivation(channels, channels, kernel=3, activation=chosen),
            ConvNormActivation(channels, dim, kernel=1, activation=of_tokens),
        )
        self.project = ConvNormActivation(dim, channels, kernel=1, activation=chosen)
        self.merge = ConvNormActivation(2 * channels, channels, kernel=3, activation=chosen)

    def tokens(self, features: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return (B, P, N, D) tokens and their (rows, columns); an odd H or W is resized up to an even one."""
        return to_tokens(self.local(features))

    def features(self, tokens: Tensor, grid: tuple[int, int], entry: Tensor) -> Tensor:
        """Fold tokens back and merge them with the block's input `entry`, (B, C, H, W)."""
        folded = to_features(tokens, grid, entry.shape[-2:])
        merged: Tensor = self.merge(torch.cat([self.project(folded), entry], dim=1))
        return merged


class Trunk(nn.Module):
    """What student and teacher have in common: stem, three stages that may halve H and W, head.

    Args:
        sizes: widths and depths.
        blocks: the attention block of each stage.
        channels: of the images.
        classes: number of classes.
        halvings: how often H and W are halved altogether, 5 as published.
        activation: one of `ACTIVATIONS`.
    """

    def __init__(
        self,
        sizes: Sizes,
        blocks: list[PatchBlock],
        *,
        channels: int,
        classes: int,
        halvings: int = HALVINGS,
        activation: str = "relu6",
    ) -> None:
        super().__init__()
        start, early, *others = strides(HALVINGS, halvings)
        first, second, third = sizes.stem
        chosen = ACTIVATIONS[activation]

        def residual(inputs: int, outputs: int, stride: int = 1) -> InvertedResidual:
            return InvertedResidual(inputs, outputs, stride=stride, expansion=sizes.expansion, activation=nn.SiLU)

        self.stem = nn.Sequential(
            ConvNormActivation(channels, first, kernel=3, stride=start, activation=chosen),
            residual(first, second),
            residual(second, third, early),
            residual(third, third),
            residual(third, third),
        )
        inputs = (third, *sizes.blocks)
        self.halvings = nn.ModuleList(residual(inputs[i], inputs[i + 1], others[i]) for i in range(3))
        self.blocks = nn.ModuleList(blocks)
        self.last = ConvNormActivation(sizes.blocks[-1], sizes.head, kernel=1, activation=chosen)
        self.classify = nn.Linear(sizes.head, classes, bias=False)

    def start(self, images: Tensor) -> Tensor:
        """Map (B, channels, H, W) images to the features that enter the first halving in front of a block."""
        features = self.stem[0](images)
        if self.training and features.device.type == "cpu":
            # Narrow and depthwise convolutions train in three quarters of the time with channels side by side.
            features = features.contiguous(memory_format=torch.channels_last)
        for layer in list(self.stem)[1:]:
            features = layer(features)
        started: Tensor = features
        return started

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, classes) and pooled features (B, head)."""
        pooled = self.last(features).mean(dim=(2, 3))
        return self.classify(pooled), pooled


def tokens_of(size: tuple[int, int], halvings: int) -> list[int]:
    """Return how many 2x2 patches each of the three blocks sees of an image, every halving rounded up."""
    _, _, *others = chosen = strides(HALVINGS, halvings)
    before = math.prod(chosen[:2])
    steps = [2 * before * math.prod(others[: block + 1]) for block in range(3)]
    return [math.prod(-(-side // step) for side in size) for step in steps]
