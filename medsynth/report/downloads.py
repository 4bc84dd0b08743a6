"""Tables of the report as CSV and LaTeX: links that carry the file, so that the page stays one file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from medsynth.api import Inspection, Score
from medsynth.base.files import csv_text
from medsynth.report.tables import ScoreTable, number

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "∞": r"$\infty$",
}  # fmt: skip
SCORE_COLUMNS = ("subject", "score", "value", "low", "high", "n", "unit")


@dataclass(frozen=True)
class Download:
    """One table.

    Args:
        name: file name without suffix.
        csv, latex: its texts.
    """

    name: str
    csv: str
    latex: str

    @property
    def links(self) -> list[tuple[str, str, str]]:
        """Label, file name and address of each form."""
        return [
            ("CSV", f"{self.name}.csv", "data:text/csv;charset=utf-8," + quote(self.csv)),
            ("LaTeX", f"{self.name}.tex", "data:application/x-tex;charset=utf-8," + quote(self.latex)),
        ]


def score_download(table: ScoreTable, scores: Sequence[Score]) -> Download:
    """Return one evaluator's scores: all digits, a row per score, as CSV; as printed, for a paper, in LaTeX."""
    own = [score for score in scores if score.evaluator == table.evaluator]
    head = ["subject", *table.columns, *(["n"] if table.counted else [])]
    body = [
        [label, *("--" if c is None else f"{c.value} ({c.interval})" if c.interval else c.value for c in cells)]
        + ([n] if table.counted else [])
        for label, cells, n in table.rows
    ]
    return Download(file_name(table.evaluator), csv_of_scores(own), latex_text(head, body))


def csv_of_scores(scores: Sequence[Score]) -> str:
    """Return a CSV file's text with all digits, a row per score."""
    rows = [
        [s.subject, s.name, _digits(s.value), _digits(s.low), _digits(s.high), "" if s.n is None else s.n, s.unit]
        for s in scores
    ]
    return spreadsheet_text(SCORE_COLUMNS, rows)


def count_download(counts: Mapping[str, Mapping[str, int]], splits: Sequence[str]) -> Download:
    """Return the images by group and split."""
    rows = [[group, *(row.get(split, 0) for split in splits)] for group, row in counts.items()]
    head = ["group", *splits]
    return Download("images", spreadsheet_text(head, rows), latex_text(head, rows))


def inspection_download(found: Inspection) -> Download:
    """Return what a classifier found out about itself: all digits as CSV, as printed in LaTeX."""
    head = ["part", *next(iter(found.rows.values()))]
    digits, printed = (
        [[row, *(show(value) for value in values.values())] for row, values in found.rows.items()]
        for show in (_digits, number)
    )
    return Download("inspection", spreadsheet_text(head, digits), latex_text(head, printed))


def spreadsheet_text(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return the text of a CSV file that people open in a spreadsheet.

    A cell that a spreadsheet would take for a formula starts with an apostrophe, as what users wrote is in it.
    """
    return csv_text([_harmless(cell) for cell in row] for row in [head, *rows])


def latex_text(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a LaTeX tabular with rules of the package booktabs."""
    lines = [" & ".join(_escaped(str(cell)) for cell in row) + r" \\" for row in [head, *rows]]
    opening = rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}"
    return "\n".join([opening, r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}", ""])


def _digits(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else repr(float(value))


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and re.match(r"[=+@\t\r]|-(?![\d.])", cell) else cell


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


def file_name(text: str) -> str:
    """Return text as a file's name without suffix."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-") or "table"
