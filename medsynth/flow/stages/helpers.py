"""Control rows trained beside the generator: a helper process takes them, and the threads are shared out.

Only the row of the main job needs synthetic images, and a step of a small network gains little from a second thread, so
that a run and its helper with half the threads each are done sooner than one process with all of them. The helper is a
process ``python -m medsynth.flow.stages.helper RUN SEED ROW ...``; it trains these rows into the run's folder and tells
its progress on standard output. It does not outlive the run, see `medsynth.base.children`.
What a helper leaves unfinished, for whatever reason, the run completes itself, and so meets the same error.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO

from medsynth.base.children import ask_to_stop, environment, python
from medsynth.base.progress import Task, Watch
from medsynth.base.seals import is_finished
from medsynth.base.stopping import Stop
from medsynth.flow.folder.runs import SeedRun
from medsynth.training.config import BASELINES
from medsynth.training.processes import processes

_INTERVAL = 0.25
"""Seconds between two looks at a helper."""


@dataclass(frozen=True)
class Team:
    """The run's process and its helper, if it has one.

    Args:
        rows: names of those that the helper trains.
        helper: a running process.
        stop: asks it to save and end.
    """

    rows: tuple[str, ...]
    helper: subprocess.Popen[str] | None
    stop: Stop

    def wait(self) -> None:
        """Return once the helper has ended, soon after a stop was requested.

        Raises:
            Interrupted: a stop was requested.
        """
        while self.helper is not None and self.helper.poll() is None and not self.stop.requested:
            time.sleep(_INTERVAL)
        if self.stop.requested:
            self.dismiss()
        self.stop.check()

    def dismiss(self) -> None:
        """Ask the helper to save and end, and wait for it."""
        if self.helper is None:
            return
        ask_to_stop(self.helper)
        self.helper.wait()
        if self.helper.stdin is not None:
            self.helper.stdin.close()


@contextmanager
def beside(seed_run: SeedRun) -> Iterator[Team]:
    """Start a helper for the control rows that are not finished, and share out the threads while the block runs.

    There is no helper for a single thread, beside an accelerator or under torchrun, nor in a study, whose runs share
    rows with each other, nor for plugins that only this process knows.
    """
    import torch

    run, threads = seed_run.run, torch.get_num_threads()
    wanted = [name for name in BASELINES if name in run.plan.training.baselines]
    alone = run.plan.device != "cpu" or run.sharing is not None or processes() > 1 or threads == 1 or not wanted
    alone = alone or bool(run.registry.registered)
    if alone:
        yield Team((), None, run.stop)
        return
    left = tuple(name for name in wanted if not is_finished(seed_run.folder / "classifier" / name))
    each = threads // 2  # whatever is left, so that a continued run computes alike
    with ExitStack() as ending:
        team = Team(left, _start(seed_run, left, each) if left else None, run.stop)
        if team.helper is not None:
            listener = threading.Thread(target=_relay, args=(team.helper.stdout, run.watch), daemon=True)
            listener.start()
            if team.helper.stdout is not None:
                ending.callback(team.helper.stdout.close)
            ending.callback(listener.join)
        ending.callback(team.dismiss)
        torch.set_num_threads(each)
        ending.callback(torch.set_num_threads, threads)
        yield team


def _start(seed_run: SeedRun, rows: Sequence[str], threads: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        python("-m", "medsynth.flow.stages.helper", str(seed_run.run.folder), str(seed_run.seed), *rows),
        env=environment(OMP_NUM_THREADS=str(threads)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # so that Ctrl-C reaches the run alone, which then asks its helpers to end
    )


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
