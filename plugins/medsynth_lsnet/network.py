"""LSNet, the student: a small MobileViT whose attention sees the keys that a gradient simulator selects.

Widths and depths reproduce the paper's 381,776 weights (3 channels, 2 classes).
Letters in shapes as in `trunk`; E = D / h.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.attention import inputs_of, merge_heads, received_attention, split_heads
from medsynth.networks.mobile import initialize

from .attention import Rule, arbitrary, attend
from .simulator import Simulator, simulated_map
from .trunk import HALVINGS, Outcome, PatchBlock, Sizes, Trunk

STUDENT = Sizes(stem=(16, 16, 24), blocks=(32, 48, 64), dims=(40, 48, 56), depths=(2, 4, 3), expansion=2, head=128)


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
        filtered: Tensor = self.grid(images).permute(0, 2, 3, 1).reshape(tokens.shape)
        return tokens + filtered


class StudentBlock(PatchBlock):
    """An attention block whose layers share the keys chosen once by its simulator.

    Args:
        channels: of the features.
        dim: width of a token.
        depth: number of layers.
        heads: number of heads.
        asymmetric, places: form of the simulator.
        activation: see `PatchBlock`.
    """

    def __init__(
        self, channels: int, dim: int, *, depth: int, heads: int, asymmetric: bool, places: bool, activation: str
    ) -> None:
        super().__init__(channels, dim, activation=activation)
        self.simulator = Simulator(dim, heads, asymmetric=asymmetric, places=places)
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
        choosing, control = rule.keys(tokens.shape[2]) < tokens.shape[2], rule.selection != "simulator"
        # The simulator observes the tokens without shaping them: its loss would hold back the classification.
        if target is not None or (choosing and not control):
            left, right = self.simulator(tokens.detach(), grid)
            indices = rule.select(left, right, target, weight)
            simulated = None if target is None else simulated_map(left, right)
        if choosing and control:
            queries, keys = self.first_scores(tokens)
            indices = rule.select(queries, keys, arbitrary(queries) if rule.selection == "random" else None, 1.0)
        for layer in self.layers:
            tokens = layer(tokens, grid, indices)
        return self.features(tokens, grid, entry), simulated

    def first_scores(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first layer's queries and keys (B, P, h, N, E) for (B, P, N, D) tokens that enter it."""
        layer: Any = self.layers[0]
        queries, keys, _ = split_heads(layer.qkv(layer.norm(tokens)), layer.heads)
        return queries, keys


class LSNet(Trunk):
    """The network that is deployed: student and simulators, `forward(images) -> logits`.

    Args:
        channels: of the images, (B, channels, H, W) in [-1, 1]; H and W multiples of 32.
        classes: number of classes.
        width: multiplies all channel counts.
        heads: attention heads of every block.
        asymmetric, places: form of the simulators (see `Simulator`); places adds 3,072 weights with 4 heads.
        halvings: how often H and W are halved, 5 as published.
        activation: see `PatchBlock`.
        selection, attention, sparsity, min_keys, fusion, fusion_share, temperature: see `Rule`. They change no
            weight, so that the same weights run with any of them; `rule` may be replaced at any time.
    """

    def __init__(
        self,
        *,
        channels: int,
        classes: int = 2,
        width: float = 1.0,
        heads: int = 4,
        asymmetric: bool = False,
        places: bool = False,
        halvings: int = HALVINGS,
        activation: str = "relu6",
        **rule: Any,
    ) -> None:
        sizes = STUDENT.scaled(width)
        blocks: list[PatchBlock] = [
            StudentBlock(c, d, depth=n, heads=heads, asymmetric=asymmetric, places=places, activation=activation)
            for c, d, n in zip(sizes.blocks, sizes.dims, sizes.depths, strict=True)
        ]
        super().__init__(sizes, blocks, channels=channels, classes=classes, halvings=halvings, activation=activation)
        self.rule = Rule(**rule)
        self.arguments: dict[str, Any] = {
            "channels": channels,
            "classes": classes,
            "width": width,
            "heads": heads,
            "asymmetric": asymmetric,
            "places": places,
            "halvings": halvings,
            "activation": activation,
            **rule,
        }
        initialize(self, linear_std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to (B, classes) logits; keys are selected by the simulators alone."""
        features = self.start(images)
        for halve, block in zip(self.halvings, self.blocks, strict=True):
            features, _ = block(halve(features), self.rule)
        return self.head(features)[0]

    def attention(self, images: Tensor) -> dict[str, Tensor]:
        """Return by block the attention that each patch receives in its last layer, (B, rows, columns), each sum 1.

        For heatmaps; `images` as in `forward`.
        """
        layers: list[Any] = [block.layers[-1] for block in self.blocks]  # type: ignore[index]
        with inputs_of(layers) as seen:
            self(images)
        maps = {}
        for number, (layer, (tokens, grid, indices)) in enumerate(zip(layers, seen, strict=True), start=1):
            queries, keys, _ = split_heads(layer.qkv(layer.norm(tokens)), layer.heads)
            maps[str(number)] = received_attention(queries, keys, indices).reshape(-1, *grid)
        return maps

    def guided(self, images: Tensor, targets: list[Tensor], weight: float) -> Outcome:
        """Run with the teacher's maps: the training form of `forward`.

        Args:
            images: (B, C, H, W).
            targets: three maps (B, P, h, N, N), without gradient.
            weight: of the teacher's maps in the selection, 1 = only these, 0 = as `forward`.
        """
        features, maps = self.start(images), []
        for halve, block, target in zip(self.halvings, self.blocks, targets, strict=True):
            features, simulated = block(halve(features), self.rule, target, weight)
            maps.append(simulated)
        return Outcome(*self.head(features), maps)
