"""A run's folder: opened, locked, and its record of stages kept in run.json."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from medsynth.api import RunInfo, StageInfo
from medsynth.base.errors import Busy, Interrupted
from medsynth.base.files import write_text
from medsynth.base.progress import Watch
from medsynth.base.seals import sealed
from medsynth.base.stopping import Stop
from medsynth.base.version import __version__
from medsynth.flow.folder.sharing import Sharing, lock
from medsynth.plan.plan import Plan
from medsynth.plugins import Registry
from medsynth.results.run_record import PLAN, RECORD, enter_stage, keep_warning, read_record
from medsynth.results.stage_keys import stage_key
from medsynth.training.devices import hardware
from medsynth.training.processes import leads, processes, wait_for_all

LOCK = ".lock"
STAGES = ("data", "generator", "synthesis", "classifier", "evaluation", "bundle", "report")
LIBRARIES = ("torch", "monai", "pytorch-ignite", "numpy", "scipy", "torchmetrics", "itk-io", "nibabel", "pydicom")


class Run:
    """An open run: writes plan.toml and run.json, tells stages apart, informs observers."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        registry: Registry,
        watch: Watch,
        stop: Stop,
        sharing: Sharing | None = None,
    ) -> None:
        self.folder, self.plan, self.registry, self.watch, self.stop = folder, plan, registry, watch, stop
        self.sharing = sharing
        self.record: dict[str, Any] = {}
        self._stage = ""

    @contextmanager
    def opened(self) -> Iterator[Run]:
        """Create or continue the folder and hold its lock while the block runs; only the leading process writes."""
        folder, plan = self.folder, self.plan
        self.record = read_record(folder) if (folder / RECORD).exists() else _new_record(plan, self.registry)
        self.record["hardware"] = hardware(plan.device) | {"processes": processes()}
        wait_for_all()  # so that every process has found the folder as it was
        if not leads():
            yield self
            return
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            write_text(folder / PLAN, plan.to_toml())
            self.save()
            yield self

    def save(self) -> None:
        """Write run.json."""
        if leads():
            write_text(self.folder / RECORD, sealed(self.record))

    def warn(self, kind: str, text: str) -> None:
        """Show a warning and keep it, with the stage it arose in, for run.json and the report.

        Args:
            kind: what scripts know it by: lower case with hyphens, the same in all runs.
            text: a sentence with what to try.
        """
        if keep_warning(self.record, stage=self._stage, kind=kind, text=text):
            self.watch.say(f"warning: {text}")
        self.save()

    @contextmanager
    def shared(self, part: str, *plugins: str, folder: Path | None = None, seed: int | None = None) -> Iterator[None]:
        """In a study, let the block complete what another run did or began of a part; in a run of its own, all of it.

        Args:
            part: the run's folder in question.
            plugins: kinds of plugins it depends on.
            folder: that the part lies in; None = the run's.
            seed: of the training it belongs to.
        """
        if self.sharing is None:
            yield
            return
        key = stage_key(self.plan.as_dict(), self.record, part, *plugins, seed=seed)
        with self.sharing.part(key, (folder or self.folder) / part, self.stop) as origin:
            if origin:
                self.record.setdefault("shared", {})[part] = origin
                self.save()
            yield

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record a stage's time and outcome; a finished stage that is entered again keeps its first record.

        Its warnings are those of the last time: what was found before is found again, unless it is no longer so.
        """
        self.stop.check()
        self._stage = name
        enter_stage(self.record, name)
        start, status, error = time.monotonic(), "failed", ""
        before = self.record["stages"].get(name, {}).get("status") == "finished"
        shown = f"[{STAGES.index(name.split()[-1]) + 1}/{len(STAGES)}] {name}{', done before' if before else ''}"
        try:
            with self.watch.stage(shown):
                yield
            status = "finished"
        except Interrupted as interruption:
            status, error = "interrupted", interruption.message
            raise
        except Exception as failure:
            error = str(failure).splitlines()[0] if str(failure) else type(failure).__name__
            raise
        finally:
            self._end_stage(name, status, time.monotonic() - start, error)

    def _end_stage(self, name: str, status: str, seconds: float, error: str) -> None:
        stages = self.record["stages"]
        earlier = stages.get(name, {})
        if earlier.get("status") != "finished":
            total = round(earlier.get("seconds", 0.0) + seconds, 2)
            stages[name] = {"status": status, "seconds": total, **({"error": error} if error else {})}
            self.save()
        if status != "interrupted" and leads():
            info = StageInfo(
                name=name, status="finished" if status == "finished" else "failed", seconds=seconds, error=error
            )
            for hooks in self.registry.observers():
                try:
                    hooks.medsynth_stage_finished(run=self.info(), stage=info)
                except Exception as failure:  # an observer must not end a run
                    self.warn(
                        "observer-failed",
                        f"an observer failed after stage '{name}': {type(failure).__name__}: {failure}",
                    )

    def info(self) -> RunInfo:
        """Return what observers may see."""
        return RunInfo(folder=str(self.folder), plan=self.plan.as_dict(), seed=self.plan.seeds[0])


@dataclass(frozen=True)
class SeedRun:
    """One training of a run: its seed and where its files go."""

    run: Run
    seed: int

    @property
    def folder(self) -> Path:
        """The run's folder itself, or ``seeds/<seed>`` in it when there are several."""
        return self.run.folder if len(self.run.plan.seeds) == 1 else self.run.folder / "seeds" / str(self.seed)

    def shared(self, part: str, *plugins: str) -> AbstractContextManager[None]:
        """Share one of this training's folders with the other runs of a study, see `Run.shared`."""
        return self.run.shared(part, *plugins, folder=self.folder, seed=self.seed)

    def stage_name(self, stage: str) -> str:
        """Return how run.json calls this training's stage."""
        return stage if len(self.run.plan.seeds) == 1 else f"seed {self.seed} {stage}"


def _new_record(plan: Plan, registry: Registry) -> dict[str, Any]:
    used = [("generator", plan.generator), ("classifier", plan.classifier)]
    used += [("evaluator", name) for name in plan.evaluators]
    return {
        "schema": 1,
        "medsynth": __version__,
        "plan": plan.digest,
        "seeds": list(plan.seeds),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}},
        "plugins": [registry.record(kind, name).named for kind, name in used],
        "hardware": {},
        **({"parent": plan.parent} if plan.parent else {}),
        "split": "",
        "stages": {},
        "warnings": [],
    }


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder for one process; the system drops the lock if the process dies."""
    stream: IO[str] = (folder / LOCK).open("w")
    try:
        lock(stream)
        yield
    except BlockingIOError:
        raise Busy(f"{folder} is in use by another medsynth process", hint="Wait for it, or stop it.") from None
    finally:
        stream.close()
