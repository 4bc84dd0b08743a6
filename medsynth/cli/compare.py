"""``medsynth compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.cli.common.options import parse_names
from medsynth.cli.common.shared import Json, errors, friendly, say, say_json
from medsynth.cli.common.tables import show_table
from medsynth.cli.study import show_comparison

if TYPE_CHECKING:
    from medsynth.door.comparing import ComparedRuns

_STATED = "as the bundles state; without each patient's prediction there are no paired tests"


@friendly
def compare_command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN...", help="Folders of finished runs, or bundles; the first run is the reference."
        ),
    ],
    subject: Annotated[
        str, typer.Option(help="Whose scores: synthetic, real-only, untranslated or oracle.")
    ] = "synthetic",
    columns: Annotated[
        str, typer.Option(help="EVALUATOR.SCORE, separated by commas, with @SUBJECT where it is another one.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Also write page, JSON, CSV, Markdown and LaTeX there.")] = None,
    as_json: Json = False,
) -> None:
    """Compare runs on the same test images, with paired tests; bundles by the figures that they state."""
    from medsynth.door.comparing import ComparedBundles, compare

    compared = compare(*runs, subject=subject, columns=parse_names(columns), out=out)
    if as_json:
        say_json(compared.as_dict())
    elif isinstance(compared, ComparedBundles):
        frame = compared.frame()
        show_table(frame.columns, [list(map(str, row.values())) for row in frame])
        say(_STATED)
    else:
        _show(compared)
    if not isinstance(compared, ComparedBundles) and compared.report is not None:
        say(f"report  {compared.report}", console=errors)


def _show(compared: ComparedRuns) -> None:
    show_comparison(compared.comparison)
    from medsynth.results.pairs import PAIR_COLUMNS, pair_rows

    show_table(list(PAIR_COLUMNS), pair_rows(compared.comparison.pairs))
    for sentence in compared.obstacles():
        say(sentence)
