"""``medsynth run``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.cli.common.options import (
    ClassifierName,
    ConfigFile,
    GeneratorName,
    PlanFile,
    PresetName,
    Start,
    one_plan,
    parse_names,
    parse_seeds,
)
from medsynth.cli.common.shared import Json, Set, friendly, say, say_json
from medsynth.cli.common.tables import show_table
from medsynth.plan.plan import DEFAULT_EVALUATORS

if TYPE_CHECKING:
    from medsynth.api import Score
    from medsynth.door.finished import FinishedRun

_EVALUATORS = ",".join(DEFAULT_EVALUATORS)


@friendly
def run_command(
    plan: PlanFile = None,
    *,
    config: ConfigFile = None,
    generator: GeneratorName = "",
    classifier: ClassifierName = "",
    data: Annotated[
        str, typer.Option(help="Manifest, folder of images, or 'phantom'.", show_default="phantom, or the plan's")
    ] = "",
    evaluators: Annotated[str, typer.Option(help="Evaluator plugins, separated by commas.")] = _EVALUATORS,
    preset: PresetName = "",
    start: Start = None,
    seeds: Annotated[
        str, typer.Option(help="Training seeds, separated by commas.", show_default="42, or the plan's")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", show_default="auto, or the plan's")] = "",
    sets: Set = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run; default: runs/DATA/GENERATOR--CLASSIFIER/NUMBER.")
    ] = None,
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Call files, centers and readers by name in report and scores.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run of the same plan.")] = False,
    as_json: Json = False,
) -> None:
    """Do all of it: data, generator, synthesis, classifier, evaluation, bundle, report.

    With a PLAN, a run is done again; --set, --data, --seeds and --device change it.
    Several processes or GPUs: torchrun --nproc-per-node 2 -m medsynth run ...
    """
    from medsynth.door.one_run import run

    result = run(
        one_plan(plan, config),
        generator=generator,
        classifier=classifier,
        data=data,
        evaluators=None if evaluators == _EVALUATORS else parse_names(evaluators),
        preset=preset,
        start=start,
        seeds=parse_seeds(seeds),
        device=device,
        settings=[*(sets or ()), *(["data.show_names=true"] if show_names else [])],
        out=out,
        resume=resume,
    )
    if result.leads:
        _show(result, as_json)


def _show(result: FinishedRun, as_json: bool) -> None:
    if as_json:
        say_json(result.as_dict())
        return
    for text in filter(None, (result.answer, result.verdict)):
        say(text)
    show_scores(result.scores.headline())
    say(f"report  {result.report}", f"bundle  {result.bundle}")


def show_scores(scores: Sequence[Score]) -> None:
    """Print scores as a table, those of each subject below its name: beside it they would not fit 80 columns."""
    from medsynth.report.tables import metric_label, subject_label

    head = ("score", "value", "95 % interval", "n")
    rows: list[tuple[str, ...]] = []
    for subject in dict.fromkeys(score.subject for score in scores):
        rows.append((subject_label(subject), "", "", ""))
        rows += [(f"  {metric_label(score.name)}", *_row(score)) for score in scores if score.subject == subject]
    show_table(head, rows)


def _row(score: Score) -> tuple[str, ...]:
    interval = f"{score.low:.3f} to {score.high:.3f}" if score.low is not None and score.high is not None else ""
    value = f"{score.value:.3f}" if math.isfinite(score.value) else _unmeasured(score)
    return value, interval, str(score.n or "")


def _unmeasured(score: Score) -> str:
    from medsynth.report.verdict import NOT_ENOUGH, is_few

    if is_few(score):
        return NOT_ENOUGH
    return "n/a" if math.isnan(score.value) else f"{score.value}"
