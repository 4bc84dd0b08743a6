"""2.5D: each slice with its neighbors as channels, and where a slice lies among those of its volume.

A stack holds the 2n + 1 slices around one, in their order, each with its own channels: (C (2n + 1), H, W). Beyond the
ends of a volume the last slice repeats; an image that stands alone is repeated in all places.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medsynth.data.formats.probing import Facts
from medsynth.reading.geometry import distance

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from medsynth.data.images import Record

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


def places_of(records: Sequence[Record], facts: Mapping[str, Facts]) -> list[Place | None]:
    """Return the place of each image in its volume or DICOM series; None for one that stands alone."""
    places: list[Place | None] = [None] * len(records)
    series: dict[str, list[int]] = defaultdict(list)
    for row, record in enumerate(records):
        fact = facts[record.image]
        if record.slice is not None and fact.format.depth > 1:
            places[row] = record.image, record.slice
        elif fact.header.series and fact.header.count == 1:
            series[f"{record.domain} {fact.header.series}"].append(row)
    for name, rows in series.items():
        if len(rows) > 1:
            for index, row in enumerate(sorted(rows, key=_order([facts[records[row].image] for row in rows], rows))):
                places[row] = name, index
    return places


def _order(facts: Sequence[Facts], rows: Sequence[int]) -> Any:
    """Return what sorts the rows of a series: by place where all have different ones, else by number."""
    found = [distance(fact.header.slices[0]) if fact.header.slices else None for fact in facts]
    known = [one for one in found if one is not None]
    if len(known) == len(rows) and len({round(one, 3) for one in known}) == len(rows):
        return dict(zip(rows, known, strict=True)).__getitem__
    return dict(zip(rows, ((fact.header.number, fact.header.path.name) for fact in facts), strict=True)).__getitem__


def join_series(pixels: np.ndarray, records: Sequence[Record], places: Sequence[Place | None], stacks: Stacks) -> None:
    """Fill in the neighbors of images that are files of a series, in place.

    Args:
        pixels: (N, C (2n + 1), H, W), each repeated so far.
        records: one per row.
        places: of the rows.
        stacks: with the number of neighbors.
    """
    volumes: dict[str, dict[int, int]] = defaultdict(dict)
    for row, (record, place) in enumerate(zip(records, places, strict=True)):
        if place is not None and record.slice is None:
            volumes[place[0]][place[1]] = row
    for rows in volumes.values():
        middles = [stacks.middle(pixels[rows[index]][None])[0].copy() for index in range(len(rows))]
        for index, row in rows.items():
            for part, k in enumerate(stacks.indices(index, len(rows))):
                stacks.part(pixels[row], part)[...] = middles[k]
