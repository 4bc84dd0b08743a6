"""``medsynth study``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from medsynth.cli.run import PresetName, parse_seeds
from medsynth.cli.shared import Json, Set, errors, friendly, output

if TYPE_CHECKING:
    from medsynth.plugins import Registry
    from medsynth.studies.cluster import Cluster
    from medsynth.studies.comparison import Comparison
    from medsynth.studies.study import Study


def _complete(incomplete: str) -> list[str]:
    from medsynth.studies.study import ready_studies

    return [name for name in ready_studies() if name.startswith(incomplete)]


@friendly
def study_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE.toml", help="A study that comes with medsynth, or a TOML file.", autocompletion=_complete
        ),
    ],
    preset: PresetName = "",
    data: Annotated[str, typer.Option(help="Manifest, folder of images, or 'phantom'; default: the study's.")] = "",
    seeds: Annotated[str, typer.Option(help="Training seeds, separated by commas; default: the study's.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    sets: Set = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time, each in a process of its own.")] = 1,
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Do the runs as tasks of a Ray cluster instead: auto, HOST:PORT, or local.",
        ),
    ] = "",
    cpus: Annotated[int, typer.Option(min=1, help="With --ray: processors per run.")] = 1,
    gpus: Annotated[
        float | None, typer.Option(min=0, help="With --ray: GPUs per run; default: 1 with --device cuda, else 0.")
    ] = None,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(metavar="STUDY", help="Folder of another study, whose equal finished stages are taken; repeat."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the study; default: studies/NAME-PRESET.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a study.")] = False,
    as_json: Json = False,
) -> None:
    """Run a grid of generators, classifiers, seeds and ablations, and compare them.

    Stages of equal plan and inputs are done once. Ready studies: main-job, paper-table1 to paper-table8.
    """
    from medsynth.plugins import Registry
    from medsynth.studies.folder import find_studies
    from medsynth.studies.study import load_study

    registry = Registry()

    def resolved(default_preset: str, device: str) -> Study:
        chosen = parse_seeds(seeds) if seeds else ()
        study = load_study(
            name,
            preset=preset,
            default_preset=default_preset,
            device=device,
            data=data,
            seeds=chosen,
            settings=sets or (),
        )
        for run in study.runs():
            study.plan(run, registry)
        return study

    # Names and values are checked before torch is imported, so that a typing error is answered at once.
    resolved("quick", device)
    from medsynth.training.devices import resolve_device

    if not ray or device == "auto":  # a cluster may have what this machine lacks
        device = resolve_device(device)
    study = resolved("quick" if device == "cpu" else "standard", device)
    study = replace(study, reuse=find_studies(reuse or ()))
    cluster = _cluster(ray, cpus, gpus, device) if ray else None
    _conduct(study, registry, out, workers=workers, cluster=cluster, resume=resume, as_json=as_json)


def _cluster(address: str, cpus: int, gpus: float | None, device: str) -> Cluster:
    from medsynth.studies.cluster import Cluster, import_ray

    import_ray()
    return Cluster(address=address, cpus=cpus, gpus=float(device.startswith("cuda")) if gpus is None else gpus)


def _conduct(
    study: Study,
    registry: Registry,
    out: Path | None,
    *,
    workers: int,
    cluster: Cluster | None,
    resume: bool,
    as_json: bool,
) -> None:
    from medsynth.base.progress import watch
    from medsynth.base.stopping import stop_on_signals
    from medsynth.studies.conduct import check_study, conduct
    from medsynth.studies.folder import choose_folder, write_study

    folder = choose_folder(study, registry, out, resume=resume)
    check_study(study, registry, folder)
    write_study(study, folder)
    shown = watch(errors)
    shown.say(f"{study.name}: {len(study.runs())} runs, preset {study.preset}, {study.device} -> {folder}")
    with stop_on_signals() as stop:
        comparison = conduct(study, folder, workers=workers, watch=shown, stop=stop, cluster=cluster)
    if as_json:
        typer.echo((folder / "study.json").read_text(encoding="utf-8"))
        return
    show_comparison(comparison)
    output.print(f"report  {folder / 'report.html'}", highlight=False, soft_wrap=True)


def show_comparison(comparison: Comparison) -> None:
    """Print the rows as a table."""
    from medsynth.studies.comparison_files import printed

    for row in comparison.gains:
        output.print(row.sentence, markup=False, highlight=False, soft_wrap=True)
    show_table(*printed(comparison))


def show_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    """Print a table of text."""
    table = Table(title=None, box=None, pad_edge=False, show_edge=False)
    for index, column in enumerate(head):
        table.add_column(column, justify="right" if index else "left")
    for row in body:
        table.add_row(*row)
    output.print(table, markup=False)
