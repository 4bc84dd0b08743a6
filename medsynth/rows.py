"""Classifier rows trained side by side: helper processes take some of them, and the threads are shared out.

Rows do not depend on each other, and a step of a small network gains little from a second thread, so that rows with a
thread each are done sooner side by side than one after the other with all threads. A helper is a process
``python -m medsynth.rows RUN SEED ROW ...``; it trains these rows into the run's folder and tells its progress on
standard output. It does not outlive the run, see `medsynth.children`.
What a helper leaves unfinished, for whatever reason, the run completes itself, and so meets the same error.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from medsynth.children import ask_to_stop, end_with_parent, environment, python
from medsynth.distribution import processes
from medsynth.progress import Task, Watch
from medsynth.runs import PLAN, Run, SeedRun
from medsynth.stopping import Stop

_INTERVAL = 0.25
"""Seconds between two messages about the same task, and between two looks at a helper."""


@dataclass(frozen=True)
class Team:
    """The run's process and its helpers.

    Args:
        own: names of the rows that are left to the run's process.
        helpers: running processes, which train the others.
        stop: asks them to save and end.
    """

    own: tuple[str, ...]
    helpers: tuple[subprocess.Popen[str], ...]
    stop: Stop

    def wait(self) -> None:
        """Return once every helper has ended, soon after a stop was requested.

        Raises:
            Interrupted: a stop was requested.
        """
        for helper in self.helpers:
            while helper.poll() is None and not self.stop.requested:
                time.sleep(_INTERVAL)
        if self.stop.requested:
            self.dismiss()
        self.stop.check()

    def dismiss(self) -> None:
        """Ask the helpers to save and end, and wait for it."""
        for helper in self.helpers:
            ask_to_stop(helper)
        for helper in self.helpers:
            helper.wait()
            if helper.stdin is not None:
                helper.stdin.close()


@contextmanager
def side_by_side(seed_run: SeedRun, rows: Sequence[str], left: Sequence[str]) -> Iterator[Team]:
    """Start a helper for every row but the first, and share out the threads while the block runs.

    There are no helpers for a single thread, beside an accelerator or under torchrun, nor in a study, whose runs share
    rows with each other.

    Args:
        seed_run: the training.
        rows: all its rows; they decide the threads of a process, so that a continued run computes alike.
        left: those that are not finished.
    """
    import torch

    run, threads = seed_run.run, torch.get_num_threads()
    alone = run.plan.device != "cpu" or run.sharing is not None or processes() > 1
    # More rows than threads: the processors are shared out by the system, so that none is idle during the last row.
    size = 1 if alone or threads == 1 else len(rows)
    each = max(1, threads // size)
    with ExitStack() as ending:
        helpers = tuple(_start(seed_run, left[first::size], each) for first in range(1, min(size, len(left))))
        team = Team(tuple(left[::size]), helpers, run.stop)
        for helper in helpers:
            listener = threading.Thread(target=_relay, args=(helper.stdout, run.watch), daemon=True)
            listener.start()
            ending.callback(listener.join)
        ending.callback(team.dismiss)
        torch.set_num_threads(each)
        ending.callback(torch.set_num_threads, threads)
        yield team


def _start(seed_run: SeedRun, rows: Sequence[str], threads: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        python("-m", "medsynth.rows", str(seed_run.run.folder), str(seed_run.seed), *rows),
        env=environment(OMP_NUM_THREADS=str(threads)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # so that Ctrl-C reaches the run alone, which then asks its helpers to end
    )


# ------------------------------------------------------------ progress, from a helper to the run


class _Messages:
    """A watch that writes what it is told as one JSON object per line to standard output."""

    @contextmanager
    def task(self, name: str, total: int, done: int = 0) -> Iterator[Task]:
        _send(task=name, total=total, done=done)
        yield _Message(name, total)
        _send(end=name)

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


def _relay(messages: IO[str], watch: Watch) -> None:
    """Show a helper's progress as if it were the run's own."""
    with ExitStack() as shown:
        task: Task | None = None
        for line in messages:
            try:
                message = json.loads(line)
            except ValueError:
                continue  # something else that a library printed
            if "task" in message:
                task = shown.enter_context(watch.task(message["task"], message["total"], message["done"]))
            elif "advance" in message and task is not None:
                task.advance(message["done"], message["values"])
            elif "end" in message:
                shown.close()
            elif "say" in message:
                watch.say(message["say"])


# ------------------------------------------------------------ the helper itself


def work(folder: Path, seed: int, names: Sequence[str]) -> None:
    """Train rows of a run's training, from what its earlier stages left.

    Raises:
        MedsynthError: as the run itself would.
    """
    from medsynth.data import prepare
    from medsynth.plan import read_plan
    from medsynth.plugins import Registry
    from medsynth.stages import classifier_rows, train_row
    from medsynth.synthesis import load

    registry, stop = Registry(), Stop()
    end_with_parent(stop)
    run = Run(folder, read_plan(folder / PLAN, registry), registry, _Messages(), stop)
    seed_run = SeedRun(run, seed)
    data = prepare(run.plan.data, folder / "data", seed=run.plan.data.seed)
    synthetic = load(data.images.select(domain="source", split="train"), seed_run.folder / "synthetic")
    rows = classifier_rows(run.plan, data, synthetic)
    for name in names:
        train_row(seed_run, data, name, rows[name])


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
