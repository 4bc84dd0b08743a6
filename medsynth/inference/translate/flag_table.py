"""flags.csv: which translations to distrust, and why."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medsynth.base.files import write_bytes
from medsynth.inference.flags.columns import number_cells, number_columns
from medsynth.inference.inputs.fitting import NativeToNetwork
from medsynth.inference.translate.record import csv_line

if TYPE_CHECKING:
    from medsynth.inference.flags.measuring import Flags
    from medsynth.statistics.flags.reference import Judgment

FLAGS = "flags.csv"
UNKNOWN = "unknown: it was translated before, without flags"
Row = Sequence[object]


class VolumeJudge:
    """Judges slices while they are translated, as large as the network was trained on.

    Args:
        flags: of the bundle; without them nothing is judged.
        volumes, aspects: as `translate_volumes` takes them.
        resize: to the size of training, where slices are translated at their own size.

    Attributes:
        found: for each volume the judgment of each of its slices.
    """

    def __init__(
        self,
        flags: Flags | None,
        volumes: Sequence[Tensor],
        aspects: Sequence[Sequence[float]],
        resize: NativeToNetwork | None,
    ) -> None:
        self._flags, self._resize = flags, resize
        self._sizes, self._aspects = [(volume.shape[1], volume.shape[2]) for volume in volumes], aspects
        self.found: list[dict[int, Judgment]] = [{} for _ in volumes]

    def __call__(self, places: Sequence[tuple[int, int]], images: Tensor, translated: Tensor) -> None:
        """Judge translations of (B, C, H, W) images, which are slices of volumes at `places`."""
        if self._flags is None:
            return
        pairs = [self._fitted(images, places), self._fitted(translated, places)]
        for (i, k), judgment in zip(places, self._flags.of_translations(*(p.numpy() for p in pairs)), strict=True):
            self.found[i][k] = judgment

    def _fitted(self, images: Tensor, places: Sequence[tuple[int, int]]) -> Tensor:
        if self._resize is None:
            return images
        pairs = zip(images, places, strict=True)
        return torch.stack([self._resize(image, self._sizes[i], self._aspects[i][k]) for image, (i, k) in pairs])


class FlagTable:
    """Rows by source; those of an earlier table stay until their source is judged anew.

    Args:
        out: folder of the table.
        numbers: what was measured.
    """

    def __init__(self, out: Path, numbers: Sequence[str]) -> None:
        self._path, self._numbers = out / FLAGS, numbers
        self._columns = ["image", "source", "slice", *number_columns(numbers)]
        self._earlier = self._read()
        self._rows: dict[str, list[Row]] = {}
        self.suspicious = 0

    def _read(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        if self._path.is_file():
            with self._path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
                for row in csv.DictReader(stream):
                    found.setdefault(row.get("source", ""), []).append([row.get(name, "") for name in self._columns])
        return found

    def add(self, image: str, source: str, judged: Mapping[int, Judgment]) -> None:
        """Add the slices of a source; their number is left out where there is one."""
        self._rows[source] = [
            [image, source, k if len(judged) > 1 else "", *number_cells(one, self._numbers)]
            for k, one in sorted(judged.items())
        ]
        self.suspicious += sum(bool(one.reason) for one in judged.values())

    def keep(self, image: str, source: str) -> None:
        """Keep what an earlier table says of a source that is not translated again."""
        unknown = [image, source, "", *number_cells(None, self._numbers)[:-1], UNKNOWN]
        self._rows[source] = self._earlier.get(source, [unknown])
        self.suspicious += sum(bool(row[-1]) for row in self._rows[source])

    def write(self, *, complete: bool) -> None:
        """Write the table; of one that is not complete the rest of the earlier one is kept.

        Raises:
            RunError: the disk is full.
        """
        rows = self._rows if complete else {**self._earlier, **self._rows}
        lines = [self._columns, *(row for several in rows.values() for row in several)]
        write_bytes(self._path, b"".join(map(csv_line, lines)))
