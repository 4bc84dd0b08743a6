"""The batches that are left of an epoch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from medsynth.training.job import Batch, Loader


class RemainingBatches:
    """The loader as an iterable that skips the batches a resumed epoch has already seen."""

    def __init__(self, loader: Loader, skip: int) -> None:
        self._loader, self._skip = loader, skip

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        skip, self._skip = self._skip, 0
        return itertools.islice(iter(self._loader), skip, None)
