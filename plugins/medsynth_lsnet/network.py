"""LSNet, the student: a small MobileViT whose attention sees the keys that a gradient simulator selects.

Widths and depths reproduce the paper's 381,776 weights (3 channels, 2 classes).
Letters in shapes: B batch, C channels, D width of a token, H height, W width, P = 4 pixel positions in a 2x2 patch,
N patches, h heads, E = D / h.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.attention import PATCH, fold_patches, merge_heads, split_heads, unfold_patches
from medsynth.networks.mobile import ConvNormActivation, InvertedResidual, initialize, round_channels

from .attention import Rule, Simulator, attend, simulated_map


Three = tuple[int, int, int]


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


STUDENT = Sizes(stem=(16, 16, 24), blocks=(32, 48, 64), dims=(40, 48, 56), depths=(2, 4, 3), expansion=2, head=128)


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
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.local = nn.Sequential(
            ConvNormActivation(channels, channels, kernel=3), ConvNormActivation(channels, dim, kernel=1)
        )
        self.project = ConvNormActivation(dim, channels, kernel=1)
        self.merge = ConvNormActivation(2 * channels, channels, kernel=3)

    def tokens(self, features: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return (B, P, N, D) tokens and their (rows, columns); an odd H or W is resized up to an even one."""
        local = self.local(features)
        rows, columns = (-(-side // PATCH) for side in local.shape[-2:])
        if local.shape[-2:] != (rows * PATCH, columns * PATCH):
            local = F.interpolate(local, (rows * PATCH, columns * PATCH), mode="bilinear", align_corners=False)
        return unfold_patches(local), (rows, columns)

    def features(self, tokens: Tensor, grid: tuple[int, int], entry: Tensor) -> Tensor:
        """Fold tokens back and merge them with the block's input `entry`, (B, C, H, W)."""
        folded = fold_patches(tokens, grid)
        if folded.shape[-2:] != entry.shape[-2:]:
            folded = F.interpolate(folded, entry.shape[-2:], mode="bilinear", align_corners=False)
        merged: Tensor = self.merge(torch.cat([self.project(folded), entry], dim=1))
        return merged


class StudentLayer(nn.Module):
    """Selected-key attention, then a depthwise-separable convolution on the token grid; both with a residual.

    Args:
        dim: width of a token.
        heads: number of heads.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.output = nn.Linear(dim, dim)
        self.grid_norm = nn.LayerNorm(dim)
        self.grid = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1, groups=dim), nn.Conv2d(dim, dim, 1), nn.BatchNorm2d(dim)
        )

    def forward(self, tokens: Tensor, grid: tuple[int, int], indices: Tensor | None) -> Tensor:
        """Map (B, P, N, D) tokens to the same shape; `indices` as in `attend`."""
        queries, keys, values = split_heads(self.qkv(self.norm(tokens)), self.heads)
        attended = merge_heads(attend(queries, keys, values, indices))
        tokens = tokens + self.output(F.gelu(attended))
        batch, positions, _, dim = tokens.shape
        images = self.grid_norm(tokens).reshape(batch * positions, *grid, dim).permute(0, 3, 1, 2)
        filtered = self.grid(images).permute(0, 2, 3, 1).reshape(tokens.shape)
        return tokens + filtered


class StudentBlock(PatchBlock):
    """An attention block whose layers share the keys chosen once by its simulator.

    Args:
        channels: of the features.
        dim: width of a token.
        depth: number of layers.
        heads: number of heads.
        asymmetric: form of the simulator.
    """

    def __init__(self, channels: int, dim: int, *, depth: int, heads: int, asymmetric: bool) -> None:
        super().__init__(channels, dim)
        self.simulator = Simulator(dim, heads, asymmetric=asymmetric)
        self.layers = nn.ModuleList(StudentLayer(dim, heads) for _ in range(depth))

    def forward(
        self, entry: Tensor, rule: Rule, target: Tensor | None = None, weight: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        """Map (B, C, H, W) features to the same shape; with a target, also return the simulated map.

        Args:
            entry: (B, C, H, W).
            rule: how keys are selected.
            target: the teacher's map (B, P, h, N, N) in training, None in use.
            weight: of the teacher's map in the selection.
        """
        tokens, grid = self.tokens(entry)
        indices, simulated = None, None
        if target is not None or rule.keys(tokens.shape[2]) < tokens.shape[2]:
            left, right = self.simulator(tokens, grid)
            indices = rule.select(left, right, target, weight)
            simulated = None if target is None else simulated_map(left, right)
        for layer in self.layers:
            tokens = layer(tokens, grid, indices)
        return self.features(tokens, grid, entry), simulated


class Trunk(nn.Module):
    """What student and teacher have in common: stem, three stages that halve H and W, head.

    Args:
        sizes: widths and depths.
        blocks: the attention block of each stage.
        channels: of the images.
        classes: number of classes.
    """

    def __init__(self, sizes: Sizes, blocks: list[PatchBlock], *, channels: int, classes: int) -> None:
        super().__init__()
        first, second, third = sizes.stem

        def residual(inputs: int, outputs: int, stride: int = 1) -> InvertedResidual:
            return InvertedResidual(
                inputs, outputs, stride=stride, expansion=sizes.expansion, activation=nn.SiLU
            )

        self.stem = nn.Sequential(
            ConvNormActivation(channels, first, kernel=3, stride=2),
            residual(first, second),
            residual(second, third, 2),
            residual(third, third),
            residual(third, third),
        )
        inputs = (third, *sizes.blocks)
        self.halvings = nn.ModuleList(residual(inputs[i], inputs[i + 1], 2) for i in range(3))
        self.blocks = nn.ModuleList(blocks)
        self.last = ConvNormActivation(sizes.blocks[-1], sizes.head, kernel=1)
        self.classify = nn.Linear(sizes.head, classes, bias=False)

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, classes) and pooled features (B, head)."""
        pooled = self.last(features).mean(dim=(2, 3))
        return self.classify(pooled), pooled


class LSNet(Trunk):
    """The network that is deployed: student and simulators, `forward(images) -> logits`.

    Args:
        channels: of the images, (B, channels, H, W) in [-1, 1]; H and W multiples of 32.
        classes: number of classes.
        width: multiplies all channel counts.
        heads: attention heads of every block.
        asymmetric: form of the simulator (see `Simulator`).
        attention, sparsity, min_keys, fusion, fusion_share, temperature: see `Rule`. They change no weight, so the same weights
            run with any of them; `rule` may be replaced at any time.
    """

    def __init__(
        self,
        *,
        channels: int,
        classes: int = 2,
        width: float = 1.0,
        heads: int = 4,
        asymmetric: bool = False,
        **rule: Any,
    ) -> None:
        sizes = STUDENT.scaled(width)
        blocks: list[PatchBlock] = [
            StudentBlock(c, d, depth=n, heads=heads, asymmetric=asymmetric)
            for c, d, n in zip(sizes.blocks, sizes.dims, sizes.depths, strict=True)
        ]
        super().__init__(sizes, blocks, channels=channels, classes=classes)
        self.rule = Rule(**rule)
        self.arguments: dict[str, Any] = {
            "channels": channels, "classes": classes, "width": width, "heads": heads, "asymmetric": asymmetric, **rule,
        }
        initialize(self, linear_std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to (B, classes) logits; keys are selected by the simulators alone."""
        features = self.stem(images)
        for halve, block in zip(self.halvings, self.blocks, strict=True):
            features, _ = block(halve(features), self.rule)
        return self.head(features)[0]

    def guided(self, images: Tensor, targets: list[Tensor], weight: float) -> Outcome:
        """Run with the teacher's maps: the training form of `forward`.

        Args:
            images: (B, C, H, W).
            targets: three maps (B, P, h, N, N), without gradient.
            weight: of the teacher's maps in the selection, 1 = only these, 0 = as `forward`.
        """
        features, maps = self.stem(images), []
        for halve, block, target in zip(self.halvings, self.blocks, targets, strict=True):
            features, simulated = block(halve(features), self.rule, target, weight)
            maps.append(simulated)
        return Outcome(*self.head(features), maps)
