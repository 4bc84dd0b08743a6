"""The gradient simulator: what the student knows about the teacher once it is alone.

Letters in shapes: B batch, P pixel positions in a patch, h heads, N tokens, D width of a token, E head width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.networks.attention import POSITIONS, split_heads

PLACES, PLACE_GAIN, CONTENT_GAIN = 8, 32.0, 0.25


class Simulator(nn.Module):
    """Predicts the teacher's attention gradient from the tokens that enter a block.

    The P positions of one head form the channels of an image on the token grid; a depthwise-separable convolution,
    shared by the heads, turns it into factors Y whose self-correlation SELU(Y Y^T) is the map. The asymmetric form
    replaces the second factor by another 1x1 convolution of Y: SELU(Y Z^T / sqrt(E)).

    With a prior on places, every position and head adds a number for the key's place in the image, which convolutions
    cannot know: SELU(Y Z^T / (4 sqrt(E)) + b). It is learned on an 8x8 grid and resized to the token grid, so that it
    fits any image size, and rides on the factors as one more column.

    Args:
        dim: width of a token, a multiple of `heads`.
        heads: number of heads.
        asymmetric: use the asymmetric form.
        places: add the prior on places; E of the factors is then one larger.
    """

    def __init__(self, dim: int, heads: int, *, asymmetric: bool, places: bool = False) -> None:
        super().__init__()
        width = POSITIONS * dim // heads
        self.heads = heads
        self.scale = (dim // heads) ** -0.5 if asymmetric or places else 1.0
        if places:
            self.scale *= CONTENT_GAIN
        self.places = nn.Parameter(torch.zeros(heads, POSITIONS, PLACES, PLACES)) if places else None
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width), nn.Conv2d(width, width, 1), nn.BatchNorm2d(width)
        )
        self.second = nn.Conv2d(width, width, 1) if asymmetric else None

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Map (B, P, N, D) tokens to the two factors (B, P, h, N, E) of the map."""
        (split,) = split_heads(tokens, self.heads, parts=1)
        batch, positions, heads, _, width = split.shape
        image = split.permute(0, 2, 1, 4, 3).reshape(batch * heads, positions * width, *grid)
        first = self.layers(image)
        second = first if self.second is None else self.second(first)

        def factors(image: Tensor) -> Tensor:
            split = image.reshape(batch, heads, positions, width, -1)
            return split.permute(0, 2, 1, 4, 3)

        left = factors(first)
        right = left if self.second is None else factors(second)
        if self.scale != 1.0:
            right = right * self.scale
        if self.places is None:
            return left, right
        resized = F.interpolate(self.places, size=grid, mode="bilinear").flatten(2).transpose(0, 1)
        prior = (PLACE_GAIN * resized).unsqueeze(-1).expand(*right.shape[:-1], 1)
        return torch.cat([left, torch.ones_like(prior)], dim=-1), torch.cat([right, prior.to(right.dtype)], dim=-1)


def simulated_map(left: Tensor, right: Tensor) -> Tensor:
    """Return the simulator's map (B, P, h, N, N) from its factors."""
    return F.selu(left @ right.transpose(-2, -1))
