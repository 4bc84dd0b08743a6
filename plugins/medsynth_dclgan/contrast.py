"""Contrastive terms of DCLGAN and SimDCL: projected features of patches, and how they are compared.

Letters in shapes: B batch, C channels, H height, W width, P positions, D length of a projected feature, T taps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TINY = 1e-7
SIMILARITY_WIDTH = 64


def unit_rows(vectors: Tensor) -> Tensor:
    """Divide vectors along the last axis by their length + 1e-7, in float32."""
    exact = vectors.float()
    lengths: Tensor = torch.linalg.vector_norm(exact, dim=-1, keepdim=True)
    return exact / (lengths + TINY)


def draw_positions(features: Sequence[Tensor], count: int) -> list[Tensor]:
    """Draw `count` positions of each (B, C, H, W) map without replacement, all of them where it has fewer.

    Positions are numbers below H * W, on the map's device; torch's global generator on the CPU draws them.
    """
    return [torch.randperm(maps.shape[2] * maps.shape[3])[:count].to(maps.device) for maps in features]


class ProjectionHead(nn.Module):
    """Map features at chosen positions to unit vectors, each tap by two linear layers of its own.

    T maps (B, C, H, W) and T lists of P positions -> T tensors (B, P, D), float32.

    Source: Park et al. 2020 (CUT), section 3.

    Args:
        widths: channels C of each tap.
        outputs: D.
    """

    def __init__(self, widths: Sequence[int], *, outputs: int = 256) -> None:
        super().__init__()
        self.taps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, outputs), nn.ReLU(inplace=True), nn.Linear(outputs, outputs))
            for width in widths
        )

    def forward(self, features: Sequence[Tensor], positions: Sequence[Tensor]) -> list[Tensor]:
        """Project; the positions are the same for every image of the batch."""
        return [
            unit_rows(project(maps.flatten(2).index_select(2, chosen).transpose(1, 2)))
            for project, maps, chosen in zip(self.taps, features, positions, strict=True)
        ]


def patch_nce(queries: Sequence[Tensor], keys: Sequence[Tensor], *, temperature: float = 0.07) -> Tensor:
    """Return how badly each query is recognized by its key among the keys of all other patches of the batch.

    For one tap, with N = B * P queries q_i and keys k_i:
    -1/N sum_i log(exp(q_i . k_i / t) / sum_j exp(q_i . k_j / t)); mean of all taps. Keys get no gradient. Products are
    cosines: projections start so short (1e-6) that the 1e-7 of `unit_rows` leaves them clearly below length 1.

    The published form sets the positive apart from a row of negatives whose own diagonal is masked, which is the same
    sum; here it is one matrix product and a cross-entropy against the diagonal, in float32.

    Source: Park et al. 2020 (CUT), section 3, with the negatives of Han et al. 2021 (DCLGAN).

    Args:
        queries: vectors per tap, each (B, P, D).
        keys: the same, of the patches that should be recognized.
        temperature: t.
    """
    losses = []
    for query, key in zip(queries, keys, strict=True):
        with torch.autocast(query.device.type, enabled=False):
            rows, others = (F.normalize(side.float().flatten(0, 1), dim=1) for side in (query, key.detach()))
            logits = rows / temperature @ others.T
            losses.append(F.cross_entropy(logits, torch.arange(len(logits), device=logits.device)))
    return torch.stack(losses).mean()


class MappingHead(nn.Module):
    """Summarize an image's projected features, T tensors (B, P, D), as one unit vector (B, 64), float32.

    The taps are the channels of a P x D image; where taps have different P, the first rows of each count.

    Source: Han et al. 2021 (SimDCL).

    Args:
        taps: T.
    """

    def __init__(self, taps: int) -> None:
        super().__init__()
        width = SIMILARITY_WIDTH
        self.layers = nn.Sequential(
            nn.Conv2d(taps, width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
        )

    def forward(self, projected: Sequence[Tensor]) -> Tensor:
        """Summarize."""
        fewest = min(rows.shape[1] for rows in projected)
        return unit_rows(self.layers(torch.stack([rows[:, :fewest] for rows in projected], 1)))
