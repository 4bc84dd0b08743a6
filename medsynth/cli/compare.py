"""``medsynth compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.shared import Json, errors, friendly, output, print_table
from medsynth.cli.study import show_comparison, show_table


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
    from medsynth.studies.stated import names_bundle

    chosen = [column.strip() for column in columns.split(",") if column.strip()]
    if any(map(names_bundle, runs)):
        _compare_bundles(runs, subject, chosen, out, as_json=as_json)
    else:
        _compare_runs(runs, subject, chosen, out, as_json=as_json)


def _compare_runs(runs: list[Path], subject: str, columns: list[str], out: Path | None, *, as_json: bool) -> None:
    from medsynth.results.pairs import PAIR_COLUMNS, pair_rows
    from medsynth.studies.between import compare_runs, write_runs_comparison
    from medsynth.studies.comparison_files import as_json as content

    comparison = compare_runs(runs, subject=subject, columns=columns)
    if as_json:
        typer.echo(json.dumps(content(comparison, {}, Path.cwd()), indent=2))
    else:
        show_comparison(comparison)
        show_table(list(PAIR_COLUMNS), pair_rows(comparison.pairs))
        for row in comparison.rows:
            for obstacle in row.obstacles:
                output.print(
                    f"{row.row.label} is not comparable: {obstacle}", highlight=False, soft_wrap=True, markup=False
                )
    if out is not None:
        errors.print(f"report  {write_runs_comparison(comparison, out)}", highlight=False, soft_wrap=True)


def _compare_bundles(places: list[Path], subject: str, columns: list[str], out: Path | None, *, as_json: bool) -> None:
    from medsynth.studies.stated import as_json as content
    from medsynth.studies.stated import as_table, compare_stated

    if out is not None:
        raise InputError("--out takes runs only", hint="Print the figures of bundles with --json.")
    rows = compare_stated(places, subject=subject, columns=columns)
    if as_json:
        typer.echo(json.dumps(content(rows), indent=2))
        return
    print_table(*as_table(rows))
    output.print("as the bundles state; without each patient's prediction there are no paired tests", soft_wrap=True)
