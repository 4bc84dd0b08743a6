"""`medsynth.study`: a grid of runs, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.door.asked import Settings, as_settings
from medsynth.door.frame import Frame, framed
from medsynth.door.watching import watch_if

if TYPE_CHECKING:
    from medsynth.plugins import Registry
    from medsynth.studies.cluster import Cluster
    from medsynth.studies.comparison import Comparison
    from medsynth.studies.study import Study


@dataclass(frozen=True)
class FinishedStudy:
    """What a study ends with; in a notebook its table.

    Args:
        folder: of the study.
        comparison: its rows, with all scores.
    """

    folder: Path
    comparison: Comparison

    @property
    def report(self) -> Path:
        """The page with the comparison."""
        return self.folder / "report.html"

    @cached_property
    def text(self) -> str:
        """Content of study.json, which ``medsynth study --json`` prints."""
        return (self.folder / "study.json").read_text(encoding="utf-8")

    def frame(self) -> Frame:
        """Return the comparison as it is printed."""
        from medsynth.studies.comparison_files import printed

        return framed(*printed(self.comparison))

    def _repr_html_(self) -> str:
        gains = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.comparison.sentences)
        return f"{gains}{self.frame()._repr_html_()}<p>report {escape(str(self.report))}</p>"


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where the runs of a study are done.

    Args:
        workers: runs at a time, each in a process of its own.
        ray: address of a Ray cluster, whose tasks they are instead: ``auto``, ``HOST:PORT`` or ``local``.
        cpus, gpus: on a cluster, for each run; GPUs are 1 with the device cuda, else 0, where nothing is said.
    """

    workers: int = 1
    ray: str = ""
    cpus: int = 1
    gpus: float | None = None

    def refuse_missing_ray(self) -> None:
        """Refuse a cluster where Ray is not installed.

        Raises:
            InputError: with the command that installs it.
        """
        if self.ray and find_spec("ray") is None:
            from medsynth.studies.cluster import import_ray

            import_ray()

    def cluster(self, device: str) -> Cluster | None:
        """Return the cluster, if one is wanted.

        Raises:
            InputError: Ray is not installed.
        """
        if not self.ray:
            return None
        from medsynth.studies.cluster import Cluster, import_ray

        import_ray()
        gpus = float(device.startswith("cuda")) if self.gpus is None else self.gpus
        return Cluster(address=self.ray, cpus=self.cpus, gpus=gpus)


def study(
    name: str | Path,
    *,
    preset: str = "",
    data: str | Path = "",
    seeds: Sequence[int] = (),
    device: str = "auto",
    settings: Settings = (),
    where: Where | None = None,
    reuse: Sequence[str | Path] = (),
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> FinishedStudy:
    """Run a grid of generators, classifiers, seeds and ablations, and compare them, as ``medsynth study`` does.

    Args:
        name: of a study that comes with medsynth, or a TOML file.
        preset: of all runs, as the next two; default: the study's.
        data: manifest, folder of images, or ``phantom``.
        seeds: of training.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        settings: ``KIND.FIELD=VALUE``, for all runs.
        where: how many runs at a time, or on which cluster.
        reuse: folders of other studies, whose equal finished stages are taken.
        out: folder for the study; default: ``studies/NAME-PRESET``.
        resume: continue a study.
        progress: show it, on standard error or in the notebook.

    Raises:
        InputError: what is asked cannot be done; nothing was written.
        RunError: a run failed; the others are compared all the same.
        Interrupted: a stop was requested; `resume` continues.
    """
    from medsynth.plugins import Registry
    from medsynth.studies.folder import find_studies

    where, registry = where or Where(), Registry()
    asked = {"preset": preset, "data": str(data), "seeds": tuple(seeds), "settings": as_settings(settings)}
    others = find_studies([Path(folder) for folder in reuse])
    where.refuse_missing_ray()
    resolved = _resolved(str(name), asked, device, registry, anywhere=bool(where.ray))
    resolved = replace(resolved, reuse=others)
    cluster = where.cluster(resolved.device)
    folder = _prepared(resolved, registry, None if out is None else Path(out), resume=resume)
    return FinishedStudy(folder, _conducted(resolved, folder, where.workers, cluster, progress=progress))


def _resolved(name: str, asked: dict[str, Any], device: str, registry: Registry, *, anywhere: bool) -> Study:
    from medsynth.data.listing.sources import refuse_missing
    from medsynth.studies.study import load_study

    def checked(default_preset: str, device: str) -> Study:
        found = load_study(name, default_preset=default_preset, device=device, **asked)
        for one in found.runs():
            refuse_missing(found.plan(one, registry).data)
        return found

    # Names and values are checked before torch is imported, so that a typing error is answered at once.
    checked("quick", device)
    from medsynth.training.devices import resolve_device

    if not anywhere or device == "auto":  # a cluster may have what this machine lacks
        device = resolve_device(device)
    return checked("quick" if device == "cpu" else "standard", device)


def _prepared(study: Study, registry: Registry, out: Path | None, *, resume: bool) -> Path:
    from medsynth.studies.conduct import check_study
    from medsynth.studies.folder import choose_folder, write_study

    folder = choose_folder(study, registry, out, resume=resume)
    check_study(study, registry, folder)
    write_study(study, folder)
    return folder


def _conducted(study: Study, folder: Path, workers: int, cluster: Cluster | None, *, progress: bool) -> Comparison:
    from medsynth.base.stopping import stop_on_signals
    from medsynth.studies.conduct import conduct

    shown = watch_if(progress)
    shown.say(f"{study.name}: {len(study.runs())} runs, preset {study.preset}, {study.device} -> {folder}")
    with stop_on_signals() as stop:
        return conduct(study, folder, workers=workers, watch=shown, stop=stop, cluster=cluster)
