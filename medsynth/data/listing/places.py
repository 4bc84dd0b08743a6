"""Where slices lie among those of their volume or DICOM series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medsynth.data.formats.probing import Facts
from medsynth.data.formats.stacks import Place, Stacks
from medsynth.data.images import Record
from medsynth.reading.geometry import distance

if TYPE_CHECKING:
    import numpy as np


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
