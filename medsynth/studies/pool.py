"""Runs of a study in local processes, several at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from medsynth.progress import Watch
from medsynth.stopping import Stop
from medsynth.studies.config import StudyRun
from medsynth.studies.folder import LOGS

ATTEMPTS = 2
"""How often a run is started that a signal ended, e.g. because memory ran out."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        name: of the run.
        error: empty if it finished.
    """

    name: str
    error: str = ""


def run_all(root: Path, runs: Sequence[StudyRun], *, workers: int, watch: Watch, stop: Stop) -> list[Outcome]:
    """Carry out all runs in `workers` processes, which share the processors; one that fails does not end the others.

    Raises:
        Interrupted: a stop was requested; the runs in flight have saved.
    """
    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(pool.map(lambda run: _carry_out(root, run.name, workers, watch, stop), runs))
    stop.check()
    return outcomes


def environment(workers: int) -> dict[str, str]:
    """Return the environment of each of several processes, which share the processors unless the user decided it."""
    if workers == 1 or "OMP_NUM_THREADS" in os.environ:
        return dict(os.environ)
    present = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {**os.environ, "OMP_NUM_THREADS": str(max(1, present // workers))}


def _carry_out(root: Path, name: str, workers: int, watch: Watch, stop: Stop) -> Outcome:
    log, start = root / LOGS / f"{name.replace('/', '-')}.txt", time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    code = 0
    for _ in range(ATTEMPTS):
        if stop.requested:
            return Outcome(name, "not started")
        code = _process(root, name, log, workers, watch, stop)
        if code >= 0:
            break
        watch.say(f"{name}: its process was ended by signal {-code}")
    if code == 0:
        watch.say(f"{name}: finished after {time.monotonic() - start:.0f} s")
        return Outcome(name)
    said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    return Outcome(name, (errors or said or [f"exit code {code}"])[-1])


def _process(root: Path, name: str, log: Path, workers: int, watch: Watch, stop: Stop) -> int:
    """Return the exit code; a negative one is the signal that ended the process."""
    command = [sys.executable, "-m", "medsynth.studies.worker", str(root), name]
    with (
        log.open("a", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            env=environment(workers),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that Ctrl-C reaches this process alone, which then asks the workers to end
        ) as process,
    ):
        assert process.stderr is not None
        with ThreadPoolExecutor(1) as asking:
            asking.submit(_end_on_stop, process, stop)
            for line in process.stderr:
                kept.write(line)
                kept.flush()
                watch.say(f"{name}: {line.rstrip()}")
            return process.wait()


def _end_on_stop(process: subprocess.Popen[str], stop: Stop) -> None:
    """Close a process's standard input, which asks it to save and end, once a stop is requested."""
    while process.poll() is None:
        if stop.requested and process.stdin is not None:
            process.stdin.close()
            return
        time.sleep(0.2)
