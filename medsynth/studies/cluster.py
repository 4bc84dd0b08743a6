"""Runs of a study as tasks of a Ray cluster.

A task starts the same process as the local pool and waits for it, so that scores do not depend on where a run was
done. The study's folder must be on a file system that all nodes see under one path and that knows locks. A worker or a
node that dies takes its own run's task along: Ray starts it anew elsewhere, and the run goes on from its checkpoint.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.base.progress import Silent, Watch
from medsynth.base.stopping import Stop
from medsynth.studies.folder import STUDY
from medsynth.studies.pool import NOT_STARTED, Outcome, attempt, last_error, log_path
from medsynth.studies.study import StudyRun

RETRIES = 2
"""How often a run is started again after it failed or its worker died."""
_INTERVAL = 0.5
"""Seconds between two looks at the tasks and their logs."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where the runs go and what each of them gets.

    Args:
        address: ``auto`` for the cluster that this machine belongs to, or ``HOST:PORT``; ``local`` starts one on this
            machine for the time of the study.
        cpus: processors per run, which are also its threads unless OMP_NUM_THREADS decides them.
        gpus: per run; a fraction lets runs share one.
    """

    address: str
    cpus: int = 1
    gpus: float = 0.0


class _Failed(Exception):  # noqa: N818 - told to Ray only, which then starts the task again
    """A run ended with another exit code than that of wrong use."""


def run_on_ray(root: Path, runs: Sequence[StudyRun], cluster: Cluster, *, watch: Watch, stop: Stop) -> list[Outcome]:
    """Carry out all runs as tasks of a Ray cluster; one that fails does not end the others.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
        Interrupted: a stop was requested; the runs in flight have saved.
    """
    root = root.resolve()
    logs = {run.name: _Log(log_path(root, run.name)) for run in runs}
    with _connected(cluster, watch) as ray:
        task = ray.remote(
            num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_retries=RETRIES, retry_exceptions=[_Failed]
        )(_carry_out)
        threads = os.environ.get("OMP_NUM_THREADS", str(cluster.cpus))
        pending = {task.options(name=run.name).remote(str(root), run.name, threads): run.name for run in runs}
        outcomes, asked = {}, False
        while pending:
            done, _ = ray.wait(list(pending), timeout=_INTERVAL)
            for name, log in logs.items():
                log.tell(name, watch)
            if stop.requested and not asked:
                asked = True
                for reference in pending:
                    ray.cancel(reference)
            for reference in done:
                name = pending.pop(reference)
                outcomes[name] = _outcome(ray, reference, root, name)
                watch.say(f"{name}: {outcomes[name].error or 'finished'}")
    stop.check()
    return [outcomes[run.name] for run in runs]


def import_ray() -> Any:
    """Return Ray.

    Raises:
        InputError: it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise InputError(
            "--ray needs Ray, which is not installed", hint='Install it with: pip install "medsynth-monai[ray]"'
        ) from None
    return ray


@contextmanager
def _connected(cluster: Cluster, watch: Watch) -> Iterator[Any]:
    """Yield Ray while this process is connected to the cluster."""
    ray = import_ray()
    # Ray would open a port for its dashboard, and report its use to its makers.
    own: dict[str, Any] = {"include_dashboard": False} if cluster.address == "local" else {}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"--ray {cluster.address}: no cluster there: {error}", hint="Start one with: ray start --head"
        ) from None
    try:
        with redirect_stdout(sys.stderr):  # where Ray tells of dead workers; standard output holds results only
            _check_resources(ray, cluster, watch)
            yield ray
    finally:
        ray.shutdown()


def _check_resources(ray: Any, cluster: Cluster, watch: Watch) -> None:
    """Say so where no node can take a run: one may still join."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= cluster.cpus and node.get("GPU", 0) >= cluster.gpus for node in nodes):
        watch.say(f"no node has {cluster.cpus} CPUs and {cluster.gpus:g} GPUs now; the runs wait for one that has")


def _carry_out(root: str, name: str, threads: str) -> int:
    """Return the exit code of a run's process; on the node that Ray chose.

    Raises:
        FileNotFoundError: the node does not see the study's folder.
        _Failed: another attempt may help.
    """
    if not (Path(root) / STUDY).is_file():
        raise FileNotFoundError(f"node {platform.node()} does not see {root}; all nodes need it under this path")
    stop, variables = Stop(), {**os.environ, "OMP_NUM_THREADS": threads}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(attempt, Path(root), name, variables, Silent(), stop)
        try:
            while not running.done():
                time.sleep(_INTERVAL)  # and not in one long wait, which Ray could not interrupt
        except KeyboardInterrupt:  # what a cancelled task gets
            stop.requested = True
            raise
    code = running.result()
    if code not in (0, InputError.exit_code):
        raise _Failed(f"exit code {code}")
    return code


def _outcome(ray: Any, reference: Any, root: Path, name: str) -> Outcome:
    try:
        code = ray.get(reference)
    except ray.exceptions.TaskCancelledError:
        return Outcome(name, NOT_STARTED)
    except _Failed as error:
        return Outcome(name, last_error(root, name) or str(error))
    except ray.exceptions.RayTaskError as error:
        return Outcome(name, f"{error.cause}")
    except ray.exceptions.RayError as error:
        return Outcome(name, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
    return Outcome(name, last_error(root, name) or f"exit code {code}" if code else "")


class _Log:
    """A run's log, told line by line as it grows; on a cluster that is all the progress there is to see."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = path.stat().st_size if path.exists() else 0

    def tell(self, name: str, watch: Watch) -> None:
        """Tell the whole lines that were added."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._told)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._told += len(whole) + len(newline)
        for line in whole.decode("utf-8", errors="replace").splitlines():
            watch.say(f"{name}: {line}")
