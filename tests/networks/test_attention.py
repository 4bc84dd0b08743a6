"""Attention over patches, compared with slow loops."""

import math

import pytest
import torch

from medsynth.networks.attention import received_attention

BATCH, POSITIONS, HEADS, TOKENS, WIDTH = 2, 4, 3, 6, 5


@pytest.mark.parametrize("seen", ["all", "per head", "per query"])
def test_received_attention_is_the_mean_share_over_positions_heads_and_queries(seen):
    random = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(2, BATCH, POSITIONS, HEADS, TOKENS, WIDTH, generator=random).double().unbind(0)
    shape = (BATCH, POSITIONS, HEADS) if seen == "per head" else (BATCH, POSITIONS, HEADS, TOKENS)
    picked = torch.rand(*shape, TOKENS, generator=random).topk(2).indices
    expected = torch.zeros(BATCH, TOKENS).double()
    for b in range(BATCH):
        for p in range(POSITIONS):
            for h in range(HEADS):
                for q in range(TOKENS):
                    chosen = picked[b, p, h] if seen == "per head" else picked[b, p, h, q]
                    allowed = range(TOKENS) if seen == "all" else chosen.tolist()
                    powers = {
                        k: math.exp(float(queries[b, p, h, q] @ keys[b, p, h, k]) / math.sqrt(WIDTH)) for k in allowed
                    }
                    for k, power in powers.items():
                        expected[b, k] += power / sum(powers.values()) / (POSITIONS * HEADS * TOKENS)
    found = received_attention(queries, keys, None if seen == "all" else picked)
    assert torch.allclose(found, expected)
    assert torch.allclose(found.sum(dim=1), torch.ones(BATCH).double())
