"""``medsynth readers``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.shared import Json, answer, check_choice, friendly

app = typer.Typer(
    help="Let people read the images of a run, offline, and collect what they answer.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
TASKS = ("diagnose", "real-or-synthetic")


@app.command("make")
@friendly
def make_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.", show_default=False)],
    *,
    out: Annotated[Path, typer.Option(help="Page to write, e.g. reading.html.", show_default=False)],
    task: Annotated[str, typer.Option(help="diagnose, or real-or-synthetic: a visual Turing test.")] = TASKS[0],
    readers: Annotated[int, typer.Option(help="How many readers, each with an order of its own.", min=1, max=99)] = 10,
    seed: Annotated[int, typer.Option(help="Of the draw of images and orders.")] = 42,
    images: Annotated[int, typer.Option(help="How many images; 0: as many as there are.", min=0)] = 0,
    repeats: Annotated[float, typer.Option(help="Share of the images that come twice.")] = 0.1,
    groups: Annotated[str, typer.Option(help="Groups of readers to choose from, e.g. junior,senior.")] = "",
    as_json: Json = False,
) -> None:
    """Write a page on which readers look at images and answer: one file, without network, kept in their browser.

    Beside it a key is written, which stays with you: only it says which image is which.
    """
    check_choice("--task", task, TASKS)
    if out.is_dir() or out.suffix.lower() != ".html":
        raise InputError(f"--out {out} is no name of a page", hint="Name a file, for example reading.html.")
    from medsynth.readers import choose_images, draw_study, images_of_run, make_reading
    from medsynth.readers.reading_page import refuse_existing
    from medsynth.readers.shown_images import REAL_OR_SYNTHETIC, positive_class

    refuse_existing(out)
    shown = choose_images(images_of_run(run, task), images, equal=task == REAL_OR_SYNTHETIC, seed=seed)
    named = [group.strip() for group in groups.split(",") if group.strip()]
    study = draw_study(shown, task=task, readers=readers, repeats=repeats, seed=seed, groups=named)
    key = make_reading(study, shown, out, positive=positive_class(run))
    each = len(next(iter(study.orders.values())))
    answer(
        as_json,
        {"study": study.name, "images": len(shown), "each": each, "out": str(out), "key": str(key)},
        f"study {study.name}: {len(shown)} images, {each} readings for each of {readers} readers",
        f"page  {out}: give it to the readers, a number from R01 on to each",
        f"key   {key}: keep it, give it to nobody",
    )


@app.command("merge")
@friendly
def merge_command(
    files: Annotated[list[Path], typer.Argument(metavar="CSV...", help="Files that readers saved.")],
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Key that was written beside the page; repeat for several. Default: those found here."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Table to write.")] = Path("readers.csv"),
    as_json: Json = False,
) -> None:
    """Make one table for the evaluator `readers` of what readers answered."""
    if out.is_dir():
        raise InputError(f"--out {out} is a folder", hint="Name a file, for example readers.csv.")
    from medsynth.readers import keys_near, merge_answers

    merged = merge_answers(files, key or keys_near(files), out)
    progress = {reader: {"read": done, "of": whole} for reader, (done, whole) in merged.progress.items()}
    lines = [
        f"{reader}  {done} of {whole}{'' if done == whole else ', unfinished'}"
        for reader, (done, whole) in merged.progress.items()
    ]
    lines += [f"out  {out}: score it with --set evaluators.readers.path={out}"]
    answer(as_json, {"rows": merged.rows, "readers": progress, "out": str(out)}, *lines)
