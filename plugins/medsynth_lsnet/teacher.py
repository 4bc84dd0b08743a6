"""The teacher: a wide MobileViT of the student's shape, 6,713,104 weights at width 1 (3 channels, 2 classes).

It keeps the attention scores of the first layer of each block, whose gradient tells which links matter.
Letters in shapes as in `trunk`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.attention import merge_heads, split_heads
from medsynth.networks.mobile import initialize

from .attention import attend
from .trunk import HALVINGS, Outcome, PatchBlock, Sizes, Trunk

TEACHER = Sizes(
    stem=(16, 32, 64), blocks=(128, 160, 192), dims=(128, 160, 192), depths=(2, 4, 3), expansion=4, head=384
)
FEED_FORWARD = (2, 4, 4)


class TeacherLayer(nn.Module):
    """Pre-norm attention with twice the token's width inside, then a feed-forward network.

    Args:
        dim: width of a token.
        heads: number of heads, each 2 * dim / heads wide.
        feed_forward: hidden width of the feed-forward network relative to `dim`.
    """

    def __init__(self, dim: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 6 * dim, bias=False)
        self.output = nn.Linear(2 * dim, dim)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, feed_forward * dim), nn.SiLU(), nn.Linear(feed_forward * dim, dim)
        )

    def forward(self, tokens: Tensor, *, keep_scores: bool = False) -> tuple[Tensor, Tensor | None]:
        """Map (B, P, N, D) tokens to the same shape; also return the scaled scores before the softmax, if asked."""
        queries, keys, values = split_heads(self.qkv(self.norm(tokens)), self.heads)
        scores = None
        if keep_scores:
            scores = (queries * queries.shape[-1] ** -0.5) @ keys.mT
            attended = scores.softmax(dim=-1) @ values
        else:
            attended = attend(queries, keys, values, None)
        tokens = tokens + self.output(merge_heads(attended))
        return tokens + self.feed_forward(tokens), scores


class TeacherBlock(PatchBlock):
    """An attention block of ordinary layers.

    Args:
        channels: of the features.
        dim: width of a token.
        depth: number of layers.
        heads: number of heads.
        feed_forward: see `TeacherLayer`.
        activation: see `PatchBlock`.
    """

    def __init__(self, channels: int, dim: int, *, depth: int, heads: int, feed_forward: int, activation: str) -> None:
        super().__init__(channels, dim, activation=activation)
        self.layers = nn.ModuleList(TeacherLayer(dim, heads, feed_forward) for _ in range(depth))

    def forward(self, entry: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, H, W) features to the same shape; also return the first layer's scores (B, P, h, N, N)."""
        tokens, grid = self.tokens(entry)
        tokens, scores = self.layers[0](tokens, keep_scores=True)
        for layer in self.layers[1:]:
            tokens, _ = layer(tokens)
        return self.features(tokens, grid, entry), scores


class Teacher(Trunk):
    """The wide network that guides the student in training and is not deployed.

    Args:
        channels: of the images, (B, channels, H, W) in [-1, 1]; H and W multiples of 32.
        classes: number of classes.
        width: multiplies all channel counts.
        heads, halvings, activation: as the student's.
    """

    def __init__(
        self,
        *,
        channels: int,
        classes: int = 2,
        width: float = 1.0,
        heads: int = 4,
        halvings: int = HALVINGS,
        activation: str = "relu6",
    ) -> None:
        sizes = TEACHER.scaled(width)
        blocks: list[PatchBlock] = [
            TeacherBlock(c, d, depth=n, heads=heads, feed_forward=f, activation=activation)
            for c, d, n, f in zip(sizes.blocks, sizes.dims, sizes.depths, FEED_FORWARD, strict=True)
        ]
        super().__init__(sizes, blocks, channels=channels, classes=classes, halvings=halvings, activation=activation)
        initialize(self, linear_std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to (B, classes) logits."""
        return self.observed(images).logits

    def observed(self, images: Tensor) -> Outcome:
        """Map (B, C, H, W) images to logits, pooled features and the first layers' scores."""
        features, maps = self.start(images), []
        for halve, block in zip(self.halvings, self.blocks, strict=True):
            features, scores = block(halve(features))
            maps.append(scores)
        return Outcome(*self.head(features), maps)


def shortfall(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over images of the best other class's logit minus the true one's; unlike the loss it never flattens."""
    true = F.one_hot(labels, logits.shape[1]).bool()
    return (logits.masked_fill(true, -torch.inf).amax(dim=1) - logits[true]).sum()
