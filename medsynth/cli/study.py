"""``medsynth study``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.cli.common.options import PresetName, parse_seeds
from medsynth.cli.common.shared import Json, Set, friendly, say
from medsynth.cli.common.tables import show_table

if TYPE_CHECKING:
    from medsynth.studies.comparison import Comparison


_RAY = "Do the runs as tasks of a Ray cluster instead: auto, HOST:PORT, or local."
_GPUS = "With --ray: GPUs per run; default: 1 with --device cuda, else 0."
_REUSE = "Folder of another study, whose equal finished stages are taken; repeat."


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
    *,
    preset: PresetName = "",
    data: Annotated[str, typer.Option(help="Manifest, folder of images, or 'phantom'; default: the study's.")] = "",
    seeds: Annotated[str, typer.Option(help="Training seeds, separated by commas; default: the study's.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    sets: Set = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time, each in a process of its own.")] = 1,
    ray: Annotated[str, typer.Option(metavar="ADDRESS", help=_RAY)] = "",
    cpus: Annotated[int, typer.Option(min=1, help="With --ray: processors per run.")] = 1,
    gpus: Annotated[float | None, typer.Option(min=0, help=_GPUS)] = None,
    reuse: Annotated[list[Path] | None, typer.Option(metavar="STUDY", help=_REUSE)] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the study; default: studies/NAME-PRESET.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a study.")] = False,
    as_json: Json = False,
) -> None:
    """Run a grid of generators, classifiers, seeds and ablations, and compare them.

    Stages of equal plan and inputs are done once. Ready studies: lsnet-attention, main-job,
    paper-table1 to paper-table8, scarcity, structure-terms.
    """
    from medsynth.door.whole_study import Where, study

    found = study(
        name,
        preset=preset,
        data=data,
        seeds=parse_seeds(seeds),
        device=device,
        settings=sets or (),
        where=Where(workers=workers, ray=ray, cpus=cpus, gpus=gpus),
        reuse=reuse or (),
        out=out,
        resume=resume,
    )
    if as_json:
        typer.echo(found.text)
        return
    show_comparison(found.comparison)
    say(f"report  {found.report}")


def show_comparison(comparison: Comparison) -> None:
    """Print the rows as a table."""
    from medsynth.studies.comparison_files import printed

    for sentence in comparison.sentences:
        say(sentence)
    show_table(*printed(comparison))
