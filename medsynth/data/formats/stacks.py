"""2.5D: each slice with its neighbors as channels.

A stack holds the 2n + 1 slices around one, in their order, each with its own channels: (C (2n + 1), H, W). Beyond the
ends of a volume the last slice repeats; an image that stands alone is repeated in all places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Place = tuple[str, int]
"""Which volume, and which slice of it."""


@dataclass(frozen=True)
class Stacks:
    """How slices become what a network takes, and its results translations of slices.

    Args:
        neighbors: slices on either side.
        smooth: a slice becomes the mean of its translations in all stacks that hold it, not that in its own only.
    """

    neighbors: int = 0
    smooth: bool = False

    def of(self, values: Tensor, index: int) -> Tensor:
        """Return the stack around a slice of (C, columns, rows, slices), (C (2n + 1), columns, rows)."""
        import torch

        if not self.neighbors:
            return values[..., index]
        return torch.cat([values[..., k] for k in self.indices(index, values.shape[3])])

    def indices(self, index: int, depth: int) -> list[int]:
        """Return which slices of a volume the stack around one holds."""
        return [min(max(index + k, 0), depth - 1) for k in range(-self.neighbors, self.neighbors + 1)]

    def shares(self, index: int, depth: int) -> list[tuple[int, int]]:
        """Return to which slices the translated stack around one contributes, and by which of its parts."""
        n = self.neighbors
        if not self.smooth:
            return [(index, n)]
        return [(index + k, n + k) for k in range(-n, n + 1) if 0 <= index + k < depth]

    def part(self, stack: Any, number: int) -> Any:
        """Return a slice of a stack, channels first, by its number from 0."""
        channels = stack.shape[0] // (2 * self.neighbors + 1)
        return stack[number * channels : (number + 1) * channels]

    def middle(self, stacks: Any) -> Any:
        """Return the middle slices of (B, C (2n + 1), H, W) stacks, (B, C, H, W)."""
        channels = stacks.shape[1] // (2 * self.neighbors + 1)
        return stacks[:, self.neighbors * channels : (self.neighbors + 1) * channels]
