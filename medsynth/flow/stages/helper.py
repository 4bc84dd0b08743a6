"""A helper of a run: trains control rows beside the generator, see `medsynth.flow.stages.helpers`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from medsynth.base.children import end_with_parent
from medsynth.base.progress import Task
from medsynth.base.stopping import Stop
from medsynth.data.preparing import prepare
from medsynth.flow.folder.runs import Run, SeedRun
from medsynth.flow.stages.train_classifiers import classifier_rows, train_row
from medsynth.plan.repeating import read_plan
from medsynth.plugins import Registry
from medsynth.results.run_record import PLAN

_INTERVAL = 0.25
"""Seconds between two messages about the same task."""


class _Messages:
    """A watch that writes what it is told as one JSON object per line to standard output."""

    @contextmanager
    def task(self, name: str, total: int, done: int = 0) -> Iterator[Task]:
        _send(task=name, total=total, done=done)
        yield _Message(name, total)
        _send(end=name)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        _send(say=name)
        yield

    def say(self, text: str) -> None:
        _send(say=text)


class _Message:
    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._last = name, total, time.monotonic()

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        if done == self._total or time.monotonic() - self._last > _INTERVAL:
            self._last = time.monotonic()
            _send(advance=self._name, done=done, values=dict(values or {}))


def _send(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def work(folder: Path, seed: int, names: Sequence[str]) -> None:
    """Train rows of a run's training, from what its earlier stages left.

    Raises:
        MedsynthError: as the run itself would.
    """
    registry, stop = Registry(), Stop()
    end_with_parent(stop)
    run = Run(folder, read_plan(folder / PLAN, registry), registry, _Messages(), stop)
    seed_run = SeedRun(run, seed)
    data = prepare(run.plan.data, folder / "data", seed=run.plan.data.seed)
    # Of the main row's images only their number matters to the others: that of the sources they will be made of.
    rows = classifier_rows(run.plan, data, data.images.select(domain="source", split="train"), seed=seed)
    for name in names:
        if name in rows:
            train_row(seed_run, data, name, rows[name])


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
