"""The slow form of selected-key attention that `lsnet_attention.py` measures against.

Keys and values are copied once per query before the selected ones are picked: N x N x E numbers per position and
head instead of N x K x E.
"""

from __future__ import annotations

import torch
from torch import Tensor


def repeat_then_gather(queries: Tensor, keys: Tensor, values: Tensor, indices: Tensor | None) -> Tensor:
    """Compute what `medsynth_lsnet.attention.attend` computes from (B, P, h, N, E) tensors."""
    tokens, width = queries.shape[-2:]
    if indices is None:
        indices = torch.arange(tokens).expand(*queries.shape[:-1], tokens)
    picked = indices.unsqueeze(-1).expand(*indices.shape, width)
    repeated_keys = keys.unsqueeze(-3).repeat(1, 1, 1, tokens, 1, 1).gather(-2, picked)
    repeated_values = values.unsqueeze(-3).repeat(1, 1, 1, tokens, 1, 1).gather(-2, picked)
    scores = (repeated_keys @ queries.unsqueeze(-1)).squeeze(-1) * width**-0.5
    return (scores.softmax(dim=-1).unsqueeze(-2) @ repeated_values).squeeze(-2)
