"""How well the simulator's map agrees with the teacher's: does the student look where the teacher would?

Letters in shapes: B batch, P pixel positions in a patch, h heads, N tokens. A map is (B, P, h, N, N), row = query.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from medsynth.api import Inspection
from medsynth.networks.attention import inputs_of

from .attention import Rule
from .network import LSNet

TITLE = "Does the simulator look where the teacher does?"
NOTE = (
    "Overlap: share of each query's keys that the simulator and the gradient of the teacher's loss both rank highest, "
    "on images that neither learned from. Chance: the overlap of random keys. Own scores: that of the student's "
    "attention scores before the softmax. Rank correlation: Spearman's, over all keys of a query, mean of the queries. "
    "Where the teacher's own AUC is near 0.5, what matters to it means little. Agreement is not accuracy: on the "
    "phantom dense attention and random keys were as accurate as any choice (study lsnet-attention)."
)
LOGGED = ("overlap", "own scores", "rank correlation")


def overlap(simulated: Tensor, target: Tensor, count: int) -> Tensor:
    """Share of the `count` keys of each query with the largest values that two maps agree on, in [0, 1]."""
    wanted = torch.zeros_like(target, dtype=torch.bool)
    wanted.scatter_(-1, target.topk(count, sorted=False).indices, True)
    return wanted.gather(-1, simulated.topk(count, sorted=False).indices).float().mean()


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Mean over rows of Spearman's correlation of two (..., N) tensors; 0 for a row without any order."""
    one, other = _centered(_ranks(first)), _centered(_ranks(second))
    return (one * other).sum(dim=-1).mean()


def _ranks(values: Tensor) -> Tensor:
    """Rank along the last axis; equal values share the mean of their ranks."""
    rows, ordered = values.contiguous(), values.sort(dim=-1).values
    below, reached = (torch.searchsorted(ordered, rows, right=right) for right in (False, True))
    return (below + reached).double() / 2.0


def _centered(ranks: Tensor) -> Tensor:
    """Subtract the mean of each row and divide by its length; a row of equal values becomes zeros."""
    centered = ranks - ranks.mean(dim=-1, keepdim=True)
    return centered / centered.square().sum(dim=-1, keepdim=True).sqrt().clamp_min(1e-12)


@torch.no_grad()
def agreement(student: LSNet, rule: Rule, images: Tensor, importance: Sequence[Tensor]) -> dict[str, dict[str, float]]:
    """Compare a student with a teacher on images, by block; blocks whose queries see all tokens are left out.

    Args:
        student: in evaluation mode.
        rule: how maps are ranked and how many keys count.
        images: (B, C, H, W).
        importance: the teacher's three maps for these images.
    """
    found = {}
    simulated, own = _maps(student, images, list(importance))
    for name, maps, scores, target in zip("ABC", simulated, own, importance, strict=True):
        tokens = target.shape[-1]
        count = rule.compared(tokens)
        if count < tokens:
            wanted, guess = rule.score(target), rule.score(maps)
            found[f"block {name}"] = {
                "tokens": float(tokens),
                "overlap": overlap(guess, wanted, count).item(),
                "chance": count / tokens,
                "own scores": overlap(scores, wanted, count).item(),
                "rank correlation": rank_correlation(guess, wanted).item(),
            }
    return found


def _maps(student: LSNet, images: Tensor, importance: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the three simulated maps and the scores before the softmax of each block's first layer."""
    blocks: list[Any] = list(student.blocks)
    with inputs_of(block.layers[0] for block in blocks) as seen:
        simulated = student.guided(images, importance, 0.0).maps
    factors = [block.first_scores(tokens) for block, (tokens, *_) in zip(blocks, seen, strict=True)]
    return simulated, [queries @ keys.mT for queries, keys in factors]


def summary(parts: Sequence[tuple[int, dict[str, dict[str, float]]]], *, teacher_auc: float) -> Inspection:
    """Average what `agreement` found in parts of the images, given with the number of images of each.

    Args:
        parts: no parts make no rows.
        teacher_auc: of the teacher on all images.
    """
    total = sum(size for size, _ in parts)
    rows = {
        block: {column: sum(size * found[block][column] for size, found in parts) / total for column in columns}
        | {"teacher's AUC": teacher_auc}
        for block, columns in (parts[0][1] if parts else {}).items()
    }
    return Inspection(title=TITLE, note=NOTE, rows=rows, logged=LOGGED)
