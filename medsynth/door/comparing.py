"""`medsynth.compare`: runs by paired tests, bundles by the figures that they state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.base.errors import InputError
from medsynth.door.frame import Frame, framed
from medsynth.results.run_record import refuse_no_run

if TYPE_CHECKING:
    from medsynth.studies.comparison import Comparison
    from medsynth.studies.stated import Stated


@dataclass(frozen=True)
class ComparedRuns:
    """Runs compared on the same test images; in a notebook the table.

    Args:
        comparison: rows, gains and paired tests.
        report: the page, where one was written.
    """

    comparison: Comparison
    report: Path | None = None

    def frame(self) -> Frame:
        """Return the comparison as it is printed."""
        from medsynth.studies.comparison_files import printed

        return framed(*printed(self.comparison))

    def tests(self) -> Frame:
        """Return the paired tests as they are printed."""
        from medsynth.results.pairs import PAIR_COLUMNS, pair_rows

        return framed(list(PAIR_COLUMNS), pair_rows(self.comparison.pairs))

    def obstacles(self) -> list[str]:
        """Return a sentence for each reason why a run cannot be compared."""
        rows = self.comparison.rows
        return [f"{row.row.label} is not comparable: {obstacle}" for row in rows for obstacle in row.obstacles]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``medsynth compare --json`` prints."""
        from medsynth.studies.comparison_files import as_json

        return as_json(self.comparison, {}, Path.cwd())

    def _repr_html_(self) -> str:
        obstacles = "".join(f"<p>{escape(text)}</p>" for text in self.obstacles())
        return self.frame()._repr_html_() + self.tests()._repr_html_() + obstacles


@dataclass(frozen=True)
class ComparedBundles:
    """Bundles beside each other, as they state their figures; without each patient's prediction nothing is tested."""

    rows: tuple[Stated, ...]

    def frame(self) -> Frame:
        """Return the figures as they are printed."""
        from medsynth.studies.stated import as_table

        return framed(*as_table(self.rows))

    def as_dict(self) -> dict[str, Any]:
        """Return what ``medsynth compare --json`` prints."""
        from medsynth.studies.stated import as_json

        return as_json(self.rows)

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


def compare(
    *places: str | Path, subject: str = "synthetic", columns: Sequence[str] = (), out: str | Path | None = None
) -> ComparedRuns | ComparedBundles:
    """Compare runs on the same test images, with paired tests; bundles by the figures that they state.

    Args:
        places: folders of finished runs, the first being the reference; or bundles, folders or zip files.
        subject: whose scores: ``synthetic``, ``real-only``, ``untranslated`` or ``oracle``.
        columns: ``EVALUATOR.SCORE``, with ``@SUBJECT`` where it is another one; default: the most asked for.
        out: folder for a page, JSON, CSV, Markdown and LaTeX; of runs only.

    Raises:
        InputError: fewer than two places, one that is no finished run or bundle, other test data than the first's.
    """
    paths, folder = [Path(place) for place in places], None if out is None else Path(out)
    for path in paths:  # a typing error is answered before anything heavy is imported
        if not path.exists():
            refuse_no_run(path)
    if len({path.resolve() for path in paths}) < 2:
        raise InputError("a comparison needs two different runs or bundles", hint="Give the folders of two or more.")
    from medsynth.studies.between import compare_runs, write_runs_comparison
    from medsynth.studies.stated import compare_stated, names_bundle

    if any(map(names_bundle, paths)):
        if folder is not None:
            raise InputError("--out takes runs only", hint="Print the figures of bundles with --json.")
        return ComparedBundles(tuple(compare_stated(paths, subject=subject, columns=columns)))
    comparison = compare_runs(paths, subject=subject, columns=columns)
    return ComparedRuns(comparison, None if folder is None else write_runs_comparison(comparison, folder))
