"""Runs of a study in local processes, several at a time."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from medsynth.base import children
from medsynth.base.progress import Watch
from medsynth.base.stopping import Stop
from medsynth.studies.folder import LOGS
from medsynth.studies.study import StudyRun

ATTEMPTS = 2
"""How often a run is started that a signal ended, e.g. because memory ran out."""
NOT_STARTED = "not started"


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
    start, code = time.monotonic(), 0
    for _ in range(ATTEMPTS):
        if stop.requested:
            return Outcome(name, NOT_STARTED)
        code = attempt(root, name, environment(workers), watch, stop)
        if code >= 0:
            break
        watch.say(f"{name}: its process was ended by signal {-code}")
    if code:
        return Outcome(name, last_error(root, name) or f"exit code {code}")
    watch.say(f"{name}: finished after {time.monotonic() - start:.0f} s")
    return Outcome(name)


def log_path(root: Path, name: str) -> Path:
    """Return the file that holds what the processes of a run said."""
    return root / LOGS / f"{name.replace('/', '-')}.txt"


def last_error(root: Path, name: str) -> str:
    """Return the last error that a run's processes told, or else the last line; empty if there is none."""
    said = log_path(root, name).read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    return next(reversed(errors or list(filter(str.strip, said))), "")


def attempt(root: Path, name: str, variables: Mapping[str, str], watch: Watch, stop: Stop) -> int:
    """Carry out or continue a run in a process of its own.

    Args:
        root: the study's folder.
        name: of the run.
        variables: the process's environment.
        watch: is told each line that the process says; the run's log gets it too.
        stop: once requested, the process is asked to save and end.

    Returns:
        Its exit code; a negative one is the signal that ended the process.
    """
    command, log = children.python("-m", "medsynth.studies.worker", str(root), name), log_path(root, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            env=children.environment(variables),
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
    """Ask a process to save and end once a stop is requested."""
    while process.poll() is None:
        if stop.requested:
            children.ask_to_stop(process)
            return
        time.sleep(0.2)
