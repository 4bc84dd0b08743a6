"""MobileViT (Mehta and Rastegari 2022): inverted residuals, then attention across 2x2 patches.

Letters in shapes: B batch, C channels, H height, W width, D width of a token, P = 4 pixel positions in a patch,
N patches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.attention import inputs_of, merge_heads, received_attention, split_heads, to_features, to_tokens
from medsynth.networks.mobile import (
    ConvNormActivation,
    InvertedResidual,
    classification_head,
    initialize,
    round_channels,
    strides,
)

DEPTHS = (2, 4, 3)
"""Attention layers of the three blocks."""
FEED_FORWARD = 2
HALVINGS = 5
"""As published: the stem, one in front of the attention blocks, and one with each of them."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Widths of a variant.

    Args:
        stem: channels of the first convolution, of the inverted residual after it, and of the next three.
        blocks: channels of the three attention blocks.
        dims: token widths of the three attention blocks.
        last: channels of the last convolution.
        expansion: of the inverted residuals.
    """

    stem: tuple[int, int, int]
    blocks: tuple[int, int, int]
    dims: tuple[int, int, int]
    last: int
    expansion: int

    def scaled(self, width: float, token_width: float) -> Sizes:
        """Multiply channels by `width` and token widths by `token_width`, both rounded to multiples of 8."""

        def scale(three: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
            first, second, third = (round_channels(value * factor) for value in three)
            return first, second, third

        stem, blocks, dims = scale(self.stem, width), scale(self.blocks, width), scale(self.dims, token_width)
        return replace(self, stem=stem, blocks=blocks, dims=dims, last=round_channels(self.last * width))


VARIANTS = {
    "compact": Sizes(stem=(32, 16, 24), blocks=(40, 40, 40), dims=(24, 32, 40), last=256, expansion=4),
    "xxs": Sizes(stem=(16, 16, 24), blocks=(48, 64, 80), dims=(64, 80, 96), last=320, expansion=2),
    "xs": Sizes(stem=(16, 32, 48), blocks=(64, 80, 96), dims=(96, 120, 144), last=384, expansion=4),
    "s": Sizes(stem=(16, 32, 64), blocks=(96, 128, 160), dims=(144, 192, 240), last=640, expansion=4),
}
"""`compact` is the variant of the comparison in the LSNet paper, the others are the published ones."""


class Layer(nn.Module):
    """Pre-norm attention among the patches of one pixel position, then a feed-forward network; both with a residual.

    Args:
        dim: width of a token.
        heads: number of heads.
        dropout: after the attention and after the feed-forward network.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.output = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(dropout))
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, FEED_FORWARD * dim),
            nn.SiLU(inplace=True),
            nn.Linear(FEED_FORWARD * dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, P, N, D) tokens to the same shape."""
        queries, keys, values = split_heads(self.qkv(self.norm(tokens)), self.heads)
        # The fused kernel takes four axes only.
        attended = F.scaled_dot_product_attention(queries.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1))
        tokens = tokens + self.output(merge_heads(attended.reshape(queries.shape)))
        result: Tensor = tokens + self.feed_forward(tokens)
        return result


class MobileViTBlock(nn.Module):
    """Convolutions see the neighborhood, attention the whole image; both are merged with the input.

    Args:
        channels: of the features, (B, channels, H, W).
        dim: width of a token, a multiple of `heads`.
        depth: number of layers.
        heads: number of heads.
        dropout: see `Layer`.
    """

    def __init__(self, channels: int, dim: int, *, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.local = nn.Sequential(
            ConvNormActivation(channels, channels, kernel=3, activation=nn.SiLU),
            nn.Conv2d(channels, dim, 1, bias=False),
        )
        self.layers = nn.Sequential(*(Layer(dim, heads, dropout) for _ in range(depth)), nn.LayerNorm(dim))
        self.project = ConvNormActivation(dim, channels, kernel=1, activation=nn.SiLU)
        self.merge = ConvNormActivation(2 * channels, channels, kernel=3, activation=nn.SiLU)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        local = self.local(features)
        tokens, grid = to_tokens(local)
        folded = to_features(self.layers(tokens), grid, local.shape[-2:])
        merged: Tensor = self.merge(torch.cat([features, self.project(folded)], dim=1))
        return merged


class MobileViT(nn.Module):
    """The network; `forward(images) -> logits`.

    Args:
        channels: of the images, (B, channels, H, W) in [-1, 1]; no patch is resized where H and W are multiples of 64.
        classes: number of classes.
        variant: a key of `VARIANTS`.
        width: multiplies the variant's channel counts, rounded to multiples of 8.
        token_width: multiplies the variant's token widths, rounded to multiples of 8.
        expansion: of the inverted residuals; 0 = the variant's.
        heads: of each attention layer; 8 is a multiple of it.
        dropout: share dropped in training after attention, feed-forward networks and pooling.
        halvings: how often H and W are halved, 5 as published.
    """

    def __init__(
        self,
        *,
        channels: int,
        classes: int = 2,
        variant: str = "compact",
        width: float = 1.0,
        token_width: float = 1.0,
        expansion: int = 0,
        heads: int = 4,
        dropout: float = 0.1,
        halvings: int = HALVINGS,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "channels": channels,
            "classes": classes,
            "variant": variant,
            "width": width,
            "token_width": token_width,
            "expansion": expansion,
            "heads": heads,
            "dropout": dropout,
            "halvings": halvings,
        }
        stem, early, *others = strides(HALVINGS, halvings)
        sizes = VARIANTS[variant].scaled(width, token_width)
        expansion = expansion or sizes.expansion
        first, second, third = sizes.stem

        def residual(inputs: int, outputs: int, stride: int) -> InvertedResidual:
            return InvertedResidual(inputs, outputs, stride=stride, expansion=expansion, activation=nn.SiLU)

        layers: list[nn.Module] = [
            ConvNormActivation(channels, first, kernel=3, stride=stem, activation=nn.SiLU),
            residual(first, second, 1),
            residual(second, third, early),
            residual(third, third, 1),
            residual(third, third, 1),
        ]
        inputs = third
        for outputs, dim, depth, stride in zip(sizes.blocks, sizes.dims, DEPTHS, others, strict=True):
            layers.append(residual(inputs, outputs, stride))
            layers.append(MobileViTBlock(outputs, dim, depth=depth, heads=heads, dropout=dropout))
            inputs = outputs
        layers.append(ConvNormActivation(inputs, sizes.last, kernel=1, activation=nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.head = classification_head(sizes.last, classes, dropout=dropout)
        initialize(self, linear_std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to (B, classes) logits."""
        logits: Tensor = self.head(self.features(images).mean(dim=(2, 3)))
        return logits

    def attention(self, images: Tensor) -> dict[str, Tensor]:
        """Return by block the attention that each patch receives in its last layer, (B, rows, columns), each sum 1.

        For heatmaps; `images` as in `forward`.
        """
        blocks = [module for module in self.features if isinstance(module, MobileViTBlock)]
        layers: list[Any] = [block.layers[-2] for block in blocks]  # a norm is the last
        with inputs_of([*blocks, *layers]) as seen:
            self(images)
        maps = {}
        # a block is entered before its layers are
        for number, (layer, entry, (tokens,)) in enumerate(zip(layers, seen[::2], seen[1::2], strict=True), start=1):
            queries, keys, _ = split_heads(layer.qkv(layer.norm(tokens)), layer.heads)
            rows, columns = (-(-length // 2) for length in entry[0].shape[-2:])
            maps[str(number)] = received_attention(queries, keys).reshape(-1, rows, columns)
        return maps
