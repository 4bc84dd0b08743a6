"""Axis work of attention over 2x2 patches (MobileViT, Mehta and Rastegari 2022).

Letters in shapes: B batch, D channels of a token, P pixel positions in a patch (4), N patches, h heads, E = D / h.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 2
POSITIONS = PATCH * PATCH


def unfold_patches(features: Tensor) -> Tensor:
    """Turn (B, D, H, W) with even H and W into (B, P, N, D): sequence p holds pixel p of every 2x2 patch."""
    batch, depth, height, width = features.shape
    grid = features.reshape(batch, depth, height // PATCH, PATCH, width // PATCH, PATCH)
    return grid.permute(0, 3, 5, 2, 4, 1).reshape(batch, POSITIONS, -1, depth)


def fold_patches(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Undo `unfold_patches`: (B, P, N, D) and the (rows, columns) of patches become (B, D, H, W)."""
    rows, columns = grid
    batch, depth = tokens.shape[0], tokens.shape[-1]
    pixels = tokens.reshape(batch, PATCH, PATCH, rows, columns, depth)
    return pixels.permute(0, 5, 3, 1, 4, 2).reshape(batch, depth, rows * PATCH, columns * PATCH)


def to_tokens(features: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Turn (B, D, H, W) into (B, P, N, D) and the (rows, columns) of patches; an odd side is first stretched by one."""
    rows, columns = (-(-side // PATCH) for side in features.shape[-2:])
    return unfold_patches(_resize(features, (rows * PATCH, columns * PATCH))), (rows, columns)


def to_features(tokens: Tensor, grid: tuple[int, int], size: Sequence[int]) -> Tensor:
    """Undo `to_tokens`: fold (B, P, N, D) to (B, D, H, W) of the (H, W) `size` that it came from."""
    return _resize(fold_patches(tokens, grid), size)


def _resize(features: Tensor, size: Sequence[int]) -> Tensor:
    rows, columns = size
    if features.shape[-2:] == (rows, columns):
        return features
    return F.interpolate(features, (rows, columns), mode="bilinear", align_corners=False)


def split_heads(tokens: Tensor, heads: int, *, parts: int = 3) -> tuple[Tensor, ...]:
    """Split (B, P, N, parts * h * E) into `parts` tensors (B, P, h, N, E), e.g. queries, keys, values."""
    split = tokens.reshape(*tokens.shape[:-1], parts, heads, -1)
    return torch.unbind(split.permute(3, 0, 1, 4, 2, 5))


def merge_heads(values: Tensor) -> Tensor:
    """Turn (B, P, h, N, E) into (B, P, N, h * E)."""
    return values.transpose(2, 3).flatten(3)


def received_attention(queries: Tensor, keys: Tensor, indices: Tensor | None = None) -> Tensor:
    """Return how much attention each token receives: (B, N), mean over positions, heads and queries; rows sum to 1.

    Args:
        queries: (B, P, h, N, E), as `keys`.
        keys: see `queries`.
        indices: of the keys that are seen: None for all, (B, P, h, K) for the same for all queries of a head,
            (B, P, h, N, K) for those of each query.
    """
    scores = queries @ keys.transpose(-2, -1) * queries.shape[-1] ** -0.5
    if indices is not None:
        seen = indices if indices.dim() == 5 else indices.unsqueeze(-2).expand(*scores.shape[:-1], -1)
        hidden = torch.ones_like(scores, dtype=torch.bool).scatter(-1, seen, False)
        scores = scores.masked_fill(hidden, -torch.inf)
    received: Tensor = scores.softmax(dim=-1).mean(dim=(1, 2, 3))
    return received


@contextmanager
def inputs_of(layers: Iterable[nn.Module]) -> Iterator[list[Any]]:
    """Collect the arguments that layers are called with while the block runs, in the order of the calls."""
    seen: list[Any] = []
    hooks = [layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs)) for layer in layers]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
