"""Which keys a query sees, and attention restricted to them.

Letters in shapes: B batch, P pixel positions in a patch, h heads, N tokens, E head width, K selected keys.
A map is (B, P, h, N, N): row = query, column = key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

SUBSET_SHARE, SUBSET_TOKENS = 4, 256
PRIME, FIRST = 2**31 - 1, 1_234_577


def normalize(maps: Tensor) -> Tensor:
    """Divide each (N, N) map by its root mean square, in float32 at least; a map of zeros stays zero."""
    maps = maps if maps.dtype == torch.float64 else maps.float()
    return maps / (maps.square().mean(dim=(-2, -1), keepdim=True).sqrt() + 1e-12)


def fuse(maps: Tensor, *, share: float, temperature: float) -> Tensor:
    """Favor both ends of each row: share * softmax(G / t) + (1 - share) * softmax(-G / t)."""
    scaled = maps / temperature
    return share * scaled.softmax(dim=-1) + (1.0 - share) * (-scaled).softmax(dim=-1)


def blend(simulated: Tensor, target: Tensor | None, weight: float) -> Tensor:
    """Mix the simulator's map with the teacher's: weight 1 is the teacher alone, 0 the simulator alone."""
    if target is None or weight <= 0.0:
        return simulated
    if weight >= 1.0:
        return target
    return weight * normalize(target) + (1.0 - weight) * normalize(simulated)


def attend(queries: Tensor, keys: Tensor, values: Tensor, indices: Tensor | None) -> Tensor:
    """Scaled dot-product attention of (B, P, h, N, E) tensors over the selected keys.

    Args:
        queries: (B, P, h, N, E), as `keys` and `values`.
        keys: see `queries`.
        values: see `queries`.
        indices: None for all keys; (B, P, h, K) for the same keys for all queries of a head; (B, P, h, N, K) for
            keys of each query. Indices count tokens; the order within K has no influence.
    """
    if indices is None:
        return _dense(queries, keys, values)
    if indices.dim() == 4:
        picked = indices.unsqueeze(-1).expand(*indices.shape, keys.shape[-1])
        return _dense(queries, keys.gather(-2, picked), values.gather(-2, picked))
    scores = (_gather(keys, indices) @ queries.unsqueeze(-1)).squeeze(-1) * queries.shape[-1] ** -0.5
    weights = scores.softmax(dim=-1).unsqueeze(-2)
    return torch.matmul(weights, _gather(values, indices)).squeeze(-2)


def _dense(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    # The fused kernel takes four axes only.
    result = F.scaled_dot_product_attention(queries.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1))
    return result.reshape(queries.shape)


def _gather(tokens: Tensor, indices: Tensor) -> Tensor:
    """Pick (B, P, h, N, K, E) rows out of (B, P, h, N, E); no copy of a token is made before it is picked."""
    sequences, count = tokens.shape[0] * tokens.shape[1] * tokens.shape[2], tokens.shape[3]
    first = torch.arange(sequences, device=tokens.device).mul(count).view(*tokens.shape[:3], 1, 1)
    rows = tokens.reshape(-1, tokens.shape[-1])
    return rows.index_select(0, (indices + first).flatten()).view(*indices.shape, tokens.shape[-1])


def largest(left: Tensor, right: Tensor, count: int) -> Tensor:
    """Return where the `count` largest values of each row of left @ right.mT are, (B, P, h, N, K).

    Keys are searched in descending order of length, as long ones make large products: the selection stays the same,
    but a runtime that keeps the best keys seen so far (ONNX Runtime) then replaces few of them.
    """
    order = right.square().sum(dim=-1).argsort(dim=-1, descending=True)
    ordered = right.gather(-2, order.unsqueeze(-1).expand(right.shape))
    places = (left @ ordered.transpose(-2, -1)).topk(count, sorted=False).indices
    return order.gather(-1, places.flatten(-2)).view(places.shape)


def arbitrary(like: Tensor) -> Tensor:
    """Return a map (B, P, h, N, N) for tokens `like` (B, P, h, N, E) whose largest keys are as good as random.

    They are cubes modulo a prime, the same for every image, process and device, so that the control can be exported.
    """
    batch, positions, heads, tokens, _ = like.shape
    steps = torch.arange(positions * heads * tokens * tokens, device=like.device) + FIRST
    values = (steps * steps % PRIME * steps % PRIME).float().view(1, positions, heads, tokens, tokens)
    return values.expand(batch, -1, -1, -1, -1)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How many and which keys are selected.

    Args:
        selection: what chooses the keys: the ``simulator``, or as a control the first layer's own ``scores`` or a
            ``random`` choice, the same for every image; controls take no keys from a teacher.
        attention: ``sparse`` selects keys for each query; ``subset`` a quarter of the keys once per head, where there
            are 256 tokens or more; ``dense`` none.
        sparsity: a query sees N // sparsity keys, at least `min_keys`, at most N.
        min_keys: see `sparsity`.
        fusion: select on both ends of the map (see `fuse`) instead of on its largest values.
        fusion_share: share of the positive end.
        temperature: of both softmaxes.
    """

    selection: str = "simulator"
    attention: str = "sparse"
    sparsity: int = 25
    min_keys: int = 4
    fusion: bool = False
    fusion_share: float = 0.7
    temperature: float = 0.5

    def keys(self, tokens: int) -> int:
        """Return how many of `tokens` keys a query sees."""
        if self.attention == "sparse":
            return min(tokens, max(tokens // self.sparsity, self.min_keys))
        if self.attention == "subset" and tokens >= SUBSET_TOKENS:
            return tokens // SUBSET_SHARE
        return tokens

    def compared(self, tokens: int) -> int:
        """Return how many keys per query show whether two maps agree, whatever the attention is."""
        return replace(self, attention="sparse").keys(tokens)

    def score(self, maps: Tensor) -> Tensor:
        """Return what the keys of each query are ranked by.

        SELU, normalization and the released one-sided fusion rise strictly with the map's values, so that without
        two-sided fusion the raw map ranks as they would, at a tenth of the time and without ties.
        """
        if not self.fusion:
            return maps
        return fuse(normalize(maps), share=self.fusion_share, temperature=self.temperature)

    @torch.no_grad()
    def select(self, left: Tensor, right: Tensor, target: Tensor | None, weight: float) -> Tensor | None:
        """Choose keys by the simulator's map, mixed with the teacher's while there is one.

        Args:
            left: (B, P, h, N, E), one factor of the simulator's map.
            right: (B, P, h, N, E), the other.
            target: the teacher's map, or None.
            weight: of the teacher's map.

        Returns:
            indices for `attend`: (B, P, h, N, K), (B, P, h, K), or None where all keys are seen.
        """
        count = self.keys(left.shape[-2])
        if count == left.shape[-2]:
            return None
        if self.attention == "subset":
            columns = right @ left.mean(dim=-2).unsqueeze(-1)
            wanted = None if target is None else target.mean(dim=-2).unsqueeze(-1)
            return blend(columns, wanted, weight).squeeze(-1).topk(count, sorted=False).indices
        if not self.fusion and (target is None or weight <= 0.0):
            return largest(left, right, count)
        if target is None or weight < 1.0:
            target = blend(F.selu(left @ right.transpose(-2, -1)), target, weight)
        return self.score(target).topk(count, sorted=False).indices
