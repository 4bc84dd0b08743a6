"""`medsynth.run`: all of it, from images to report and bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth.door.asked import Asked, Settings, as_settings, resolve_plan
from medsynth.door.finished import FinishedRun, Scores
from medsynth.door.watching import watch_if
from medsynth.plugins import Registry

if TYPE_CHECKING:
    from medsynth.api import Result
    from medsynth.base.progress import Watch
    from medsynth.flow.stages.finetuning import ParentBundle
    from medsynth.plan.plan import Plan


def run(
    plan: str | Path | None = None,
    *,
    generator: str = "",
    classifier: str = "",
    data: str | Path = "",
    evaluators: Sequence[str] | None = None,
    preset: str = "",
    start: str | Path | None = None,
    seeds: Sequence[int] = (),
    device: str = "",
    settings: Settings = (),
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> FinishedRun:
    """Do all of it: data, generator, synthesis, classifier, evaluation, bundle, report.

    Gives the same plan, folder and scores as ``medsynth run``, which calls it.

    Args:
        plan: plan.toml of a run, or the run's folder, to be carried out again; then `generator`, `classifier`,
            `evaluators` and `preset` are its own.
        generator: a plugin; default: sg-cyclegan.
        classifier: a plugin; default: lsnet.
        data: manifest, folder of images, or ``phantom``, the default.
        evaluators: plugins; default: image-quality, structure, diagnostic, screening and efficiency.
        preset: ``quick``, ``standard`` or ``paper``; default: quick on a CPU, else standard.
        start: bundle in source form whose plugins, plan and weights the run starts from.
        seeds: one training each; default: 42.
        device: ``auto``, the default, ``cpu``, ``cuda`` or ``mps``.
        settings: values of the plan, ``{"generator.epochs": 5}`` or ``["generator.epochs=5"]``.
        out: folder for the run; default: ``runs/DATA/GENERATOR--CLASSIFIER/NUMBER``.
        resume: continue a run of the same plan.
        progress: show it, on standard error or in the notebook.

    Raises:
        InputError: what is asked cannot be done; nothing was written.
        RunError: a stage failed; everything up to the last checkpoint is on disk.
        Interrupted: a stop was requested; `resume` continues.
    """
    asked = Asked(
        plan=None if plan is None else Path(plan),
        generator=generator,
        classifier=classifier,
        evaluators=None if evaluators is None else tuple(evaluators),
        preset=preset,
        start=None if start is None else Path(start),
        data=str(data),
        seeds=tuple(seeds),
        device=device,
        settings=as_settings(settings),
    )
    return carry_out(asked, None if out is None else Path(out), resume=resume, progress=progress)


def carry_out(asked: Asked, out: Path | None = None, *, resume: bool = False, progress: bool = True) -> FinishedRun:
    """Do what is asked; arguments, result and errors as of `run`."""
    from medsynth.flow.folder.choosing import choose_folder, refuse_nothing_to_resume

    registry = Registry()
    plan, parent = resolve_plan(
        asked, registry, early=lambda plan: refuse_nothing_to_resume(plan, out) if resume else None
    )
    from medsynth.training.processes import joined, leads

    with joined(plan.device):
        folder, leading = choose_folder(plan, out, resume=resume), leads()
        result = _do(plan, registry, folder, watch_if(progress and leading), parent)
    return FinishedRun(folder, Scores(result.scores), Path(result.report), Path(result.bundle), leading)


def _do(plan: Plan, registry: Registry, folder: Path, watch: Watch, parent: ParentBundle | None) -> Result:
    from medsynth.base.stopping import stop_on_signals
    from medsynth.flow.engine import run
    from medsynth.flow.stages.finetuning import take_weights
    from medsynth.flow.start.preflight import check_plan
    from medsynth.training.processes import leads, wait_for_all

    names = f"{plan.generator} + {plan.classifier} on {plan.data.path}"
    watch.say(f"{names}, preset {plan.preset}, {plan.device} -> {folder}")
    check_plan(plan, registry, folder)
    if parent is not None and leads():
        take_weights(parent, folder)
    wait_for_all()
    with stop_on_signals() as stop:
        return run(plan, registry, folder, watch=watch, stop=stop)
