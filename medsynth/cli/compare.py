"""``medsynth compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from medsynth.cli.shared import Json, errors, friendly, output
from medsynth.cli.study import show_comparison, show_table


@friendly
def compare_command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Folders of finished runs; the first is the reference.")
    ],
    subject: Annotated[str, typer.Option(help="Whose scores: synthetic, real-only or oracle.")] = "synthetic",
    columns: Annotated[
        str, typer.Option(help="EVALUATOR.SCORE, separated by commas, with @SUBJECT where it is another one.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Also write page, JSON, CSV, Markdown and LaTeX there.")] = None,
    as_json: Json = False,
) -> None:
    """Compare runs on the same test images, with paired tests."""
    from medsynth.studies.between import compare_runs, write_runs_comparison
    from medsynth.studies.writing import PAIR_COLUMNS, pair_rows
    from medsynth.studies.writing import as_json as content

    chosen = [column.strip() for column in columns.split(",") if column.strip()]
    comparison = compare_runs(runs, subject=subject, columns=chosen)
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
