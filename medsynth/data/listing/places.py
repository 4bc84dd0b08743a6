"""Where slices lie among those of their volume or DICOM series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth.data.formats.probing import Facts
from medsynth.data.formats.stacks import Place, Stacks
from medsynth.data.images import Record
from medsynth.reading import group_series

if TYPE_CHECKING:
    import numpy as np


def places_of(records: Sequence[Record], facts: Mapping[str, Facts]) -> list[Place | None]:
    """Return the place of each image in its volume or DICOM series; None for one that stands alone.

    Files of a series are joined as `group_series` joins them: each of its echoes or moments is a volume of its own.
    """
    places: list[Place | None] = [None] * len(records)
    files: dict[str, dict[Path, int]] = defaultdict(dict)
    for row, record in enumerate(records):
        fact = facts[record.image]
        if record.slice is not None and fact.format.depth > 1:
            places[row] = record.image, record.slice
        elif fact.header.series and fact.header.count == 1:
            files[record.domain][fact.header.path] = row
    for domain, rows in files.items():
        for one in group_series(facts[records[row].image].header for row in rows.values()):
            for index, header in enumerate(one.headers if len(one.headers) > 1 else ()):
                places[rows[header.path]] = f"{domain} {one.first.path}", index
    return places


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
