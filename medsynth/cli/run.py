"""``medsynth run``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from medsynth.base.errors import InputError
from medsynth.cli.shared import DataPath, Json, Set, errors, friendly, output
from medsynth.plan.plan import DEFAULT_EVALUATORS

HEADLINES = {
    "image-quality": ("kid", "fid"),
    "structure": ("edge_agreement",),
    "diagnostic": ("roc_auc", "sensitivity", "specificity"),
    "synthesis": ("gain",),
}
"""Scores in the table at the end, by evaluator; the report has all of them."""

PLUGINS = {"generator": "sg-cyclegan", "classifier": "lsnet"}
"""What a run uses where nothing else is asked for."""

if TYPE_CHECKING:
    from medsynth.api import Result, Score
    from medsynth.plan.plan import Plan
    from medsynth.plugins import Registry
    from medsynth.run.stages.finetuning import ParentBundle


def complete_plugin(kind: str) -> Callable[[str], list[str]]:
    """Return what completes names of plugins of a kind in a shell."""

    def complete(incomplete: str) -> list[str]:
        from medsynth.plugins import Registry

        return [name for name in Registry().names(kind) if name.startswith(incomplete)]

    return complete


def _complete_preset(incomplete: str) -> list[str]:
    from medsynth.plan.plan import presets

    return [name for name in presets() if name.startswith(incomplete)]


PresetName = Annotated[
    str,
    typer.Option(
        help="quick, standard or paper; default: quick without a GPU, else standard.", autocompletion=_complete_preset
    ),
]


@friendly
def run_command(
    generator: Annotated[
        str,
        typer.Option(
            help="Generator plugin.", autocompletion=complete_plugin("generator"), show_default=PLUGINS["generator"]
        ),
    ] = "",
    classifier: Annotated[
        str,
        typer.Option(
            help="Classifier plugin.", autocompletion=complete_plugin("classifier"), show_default=PLUGINS["classifier"]
        ),
    ] = "",
    data: DataPath = "phantom",
    evaluators: Annotated[str, typer.Option(help="Evaluator plugins, separated by commas.")] = ",".join(
        DEFAULT_EVALUATORS
    ),
    preset: PresetName = "",
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="BUNDLE",
            help="Start from plugins, plan and weights of a bundle in source form.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Training seeds, separated by commas.")] = "42",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
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

    Several processes or GPUs: torchrun --nproc-per-node 2 -m medsynth run ...
    """
    from medsynth.base.progress import Silent, watch
    from medsynth.plan.plan import make_plan, presets
    from medsynth.plugins import Registry
    from medsynth.run.folder.choosing import choose_folder
    from medsynth.run.stages.finetuning import read_parent

    registry = Registry()
    parent = read_parent(start) if start is not None else None
    names = {
        "generator": _plugin("generator", generator, parent),
        "classifier": _plugin("classifier", classifier, parent),
        "parent": parent,
        "evaluators": [name.strip() for name in evaluators.split(",") if name.strip()],
        "seeds": parse_seeds(seeds),
        "data": data,
        "overrides": [*(sets or ()), *(["data.show_names=true"] if show_names else [])],
    }
    # Names and values are checked before torch is imported, so that a typing error is answered at once.
    make_plan(registry, preset=preset or presets()[0], device=device, **names)  # type: ignore[arg-type]
    from medsynth.training.devices import resolve_device

    device = resolve_device(device)
    plan = make_plan(
        registry,
        preset=preset or ("quick" if device == "cpu" else "standard"),
        device=device,
        **names,  # type: ignore[arg-type]
    )
    from medsynth.training.processes import joined, leads

    with joined(device):
        folder = choose_folder(plan, out, resume=resume)
        result = _carry_out(plan, registry, folder, watch(errors) if leads() else Silent(), parent)
        if leads():
            _show(result, folder, as_json)


def _plugin(kind: str, asked: str, parent: ParentBundle | None) -> str:
    """Return the plugin that was asked for, else the parent's or the default one."""
    own: str = getattr(parent, kind) if parent else PLUGINS[kind]
    if parent and asked not in ("", own):
        raise InputError(f"--{kind} {asked}: the bundle of --from holds weights of {own}", hint=f"Leave out --{kind}.")
    return asked or own


def _carry_out(plan: Plan, registry: Registry, folder: Path, shown: Any, parent: ParentBundle | None) -> Result:
    from medsynth.base.stopping import stop_on_signals
    from medsynth.run.engine import run
    from medsynth.run.stages.finetuning import take_weights
    from medsynth.run.start.preflight import check_plan
    from medsynth.training.processes import leads, wait_for_all

    shown.say(
        f"{plan.generator} + {plan.classifier} on {plan.data.path}, preset {plan.preset}, {plan.device} -> {folder}"
    )
    check_plan(plan, registry, folder)
    if parent is not None and leads():
        take_weights(parent, folder)
    wait_for_all()
    with stop_on_signals() as stop:
        return run(plan, registry, folder, watch=shown, stop=stop)


def parse_seeds(text: str) -> list[int]:
    """Read seeds separated by commas.

    Raises:
        InputError: what is no list of whole numbers.
    """
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(
            f"--seeds {text!r} is not a list of whole numbers", hint="Write for example 42,142,242."
        ) from None


def _show(result: Result, folder: Path, as_json: bool) -> None:
    record = json.loads((folder / "run.json").read_text())
    if as_json:
        content = {
            **json.loads((folder / "scores.json").read_text()),
            **{name: record[name] for name in ("verdict", "warnings")},
            "folder": str(folder),
            "report": result.report,
            "bundle": result.bundle,
        }
        typer.echo(json.dumps(content, indent=2))
        return
    output.print(record["verdict"]["sentence"], markup=False, highlight=False, soft_wrap=True)
    show_scores([score for score in result.scores if score.name in HEADLINES.get(score.evaluator, ())])
    output.print(f"report  {result.report}\nbundle  {result.bundle}", highlight=False, soft_wrap=True)


def show_scores(scores: Sequence[Score]) -> None:
    """Print scores as a table."""
    table = Table(title=None, box=None, pad_edge=False, show_edge=False)
    for column in ("evaluator", "score", "subject", "value", "95 % interval", "n"):
        table.add_column(column, justify="right" if column in ("value", "n") else "left", overflow="fold")
    for score in scores:
        table.add_row(*_row(score))
    output.print(table)


def _row(score: Score) -> tuple[str, ...]:
    interval = f"{score.low:.4f} to {score.high:.4f}" if score.low is not None and score.high is not None else ""
    value = f"{score.value:.4f}" if math.isfinite(score.value) else _unmeasured(score)
    return score.evaluator, score.name, score.subject, value, interval, str(score.n or "")


def _unmeasured(score: Score) -> str:
    from medsynth.report.verdict import NOT_ENOUGH

    if score.detail.startswith(NOT_ENOUGH):
        return NOT_ENOUGH
    return "n/a" if math.isnan(score.value) else f"{score.value}"
