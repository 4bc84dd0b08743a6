"""The comparison at the end of a study: rows of scores over seeds, beside a paper's, and what may not be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medsynth.api import Score, Subject
from medsynth.report.verdict import is_few
from medsynth.results.gains import RowGains, gains_of
from medsynth.results.pairs import Pair, Tested, compare_pairs
from medsynth.results.reading import RunResult, differing
from medsynth.results.worths import Worth, worths_of
from medsynth.statistics import bootstrap_predictions
from medsynth.statistics.scores.diagnostic import Floats
from medsynth.statistics.scores.likelihoods import LIKELIHOODS, likelihood_ratios, score_name, screening_at
from medsynth.studies.study import StudyRow, StudyTable

SHARES = ("ppv", "npv", "screen_positive")
"""Screening scores that are printed as percent."""
RESAMPLES = 10_000


@dataclass(frozen=True)
class Resampled:
    """A score in resamples of a run's test patients: mean, standard deviation and central 95 %."""

    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ComparedCell:
    """One score of one row.

    Args:
        values: by seed; NaN where the run has no such score.
        low, high: interval of the score where there is one run only.
        paper: the paper's figure; None if it has none.
        unit: of the score.
        higher_is_better: None if neither is.
        few: whether a value is missing because there are not enough cases.
        percent: whether it is a share to be printed as percent.
        resampled: of a single run's score, if asked for.
    """

    values: Mapping[str, float]
    low: float | None = None
    high: float | None = None
    paper: float | str | None = None
    unit: str = ""
    higher_is_better: bool | None = None
    few: bool = False
    percent: bool = False
    resampled: Resampled | None = None

    @property
    def mean(self) -> float:
        """Mean over seeds; NaN if one of them lacks it."""
        return float(np.mean(list(self.values.values()))) if self.values else math.nan

    @property
    def deviation(self) -> float:
        """Standard deviation over seeds, with n - 1; NaN for a single one."""
        return float(np.std(list(self.values.values()), ddof=1)) if len(self.values) > 1 else math.nan


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """A row with what its runs measured.

    Args:
        row: as asked for.
        results: of its runs, by seed.
        cells: by column.
        obstacles: why its scores must not be compared with the reference's; empty if they may.
    """

    row: StudyRow
    results: Mapping[str, RunResult]
    cells: Mapping[str, ComparedCell]
    obstacles: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that the comparison shows.

    Args:
        columns: ``EVALUATOR.SCORE``, with ``@SUBJECT`` where it is not the row's.
        rows: in the order asked for; those without any run are left out.
        reference: label of the row that others are tested against.
        pairs: the tests, adjusted over all of them.
        gains: what the synthetic images of each row were worth, where real images alone were trained on, too.
        worths: what they were worth in real positive patients, where rows differ in the number of these.
    """

    columns: tuple[str, ...]
    rows: tuple[ComparedRow, ...]
    reference: str
    pairs: tuple[Pair, ...]
    gains: tuple[RowGains, ...] = ()
    worths: tuple[Worth, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """What synthesis was worth, in words: in patients where that is known, else over each row's controls."""
        return [one.sentence for one in self.worths or self.gains]


def compare(table: StudyTable, rows: Sequence[StudyRow], results: Mapping[str, Mapping[str, RunResult]]) -> Comparison:
    """Put rows beside each other.

    Args:
        table: what to show.
        rows: by label.
        results: of each row's finished runs, by label and seed.
    """
    shown = [_row(row, table, results.get(row.label, {})) for row in rows]
    shown = [row for row in shown if row.row.given or any(np.isfinite(c.mean) for c in row.cells.values())]
    measured = [row for row in shown if row.results]
    reference = next((row for row in measured if row.row.label == table.reference), next(iter(measured), None))
    if reference is None:
        return Comparison(columns=table.columns, rows=tuple(shown), reference="", pairs=())
    shown = [replace(row, obstacles=_obstacles(reference, row)) for row in shown]
    found = Comparison(
        columns=table.columns,
        rows=tuple(shown),
        reference=reference.row.label,
        pairs=(),
        gains=_gains(shown),
        worths=_worths(shown),
    )
    if not table.tests:
        return found
    # Rows that differ in budget only are tested too, and marked; without equal test images no test exists.
    others = [row for row in shown if row.results and row.row.label != reference.row.label]
    pairs = compare_pairs([(_tested(row), _tested(reference)) for row in others])
    return replace(found, pairs=tuple(pairs))


def _worths(rows: Sequence[ComparedRow]) -> tuple[Worth, ...]:
    judged = [row.results for row in rows if row.row.subject == Subject.SYNTHETIC and row.results]
    return worths_of(judged, _everything(rows))


def _everything(rows: Sequence[ComparedRow]) -> list[RunResult]:
    return [result for row in rows for result in row.results.values()]


def _gains(rows: Sequence[ComparedRow]) -> tuple[RowGains, ...]:
    everything = _everything(rows)
    judged = [row for row in rows if row.row.subject == Subject.SYNTHETIC and row.results]
    found = [(row.row.label, gains_of(list(row.results.values()), everything)) for row in judged]
    return tuple(
        RowGains(label=label, gains=gains)
        for label, gains in found
        if Subject.REAL_ONLY in {gain.against for gain in gains}
    )


def _tested(row: ComparedRow) -> Tested:
    return row.row.label, row.row.subject, row.results


def _obstacles(reference: ComparedRow, row: ComparedRow) -> tuple[str, ...]:
    first = next(iter(reference.results.values()))
    found = [obstacle for result in row.results.values() for obstacle in differing(first, result)]
    return tuple(dict.fromkeys(found))


def _row(row: StudyRow, table: StudyTable, results: Mapping[str, RunResult]) -> ComparedRow:
    if row.given:
        return ComparedRow(row=row, results={}, cells={column: _given(row, column) for column in table.columns})
    cells = {column: _cell(row, column, results) for column in table.columns}
    if table.bootstrap and len(results) == 1:
        cells |= _resampled(row, cells, *results.items())
    return ComparedRow(row=row, results=results, cells=cells)


def _resampled(row: StudyRow, cells: Mapping[str, ComparedCell], run: tuple[str, RunResult]) -> dict[str, ComparedCell]:
    """Return the cells of diagnostic scores with what resamples of the run's test patients show."""
    judged = run[1].predictions(row.subject)
    if judged is None:
        return {}
    drawn = bootstrap_predictions(judged, resamples=RESAMPLES, seed=int(run[0]))
    names = {column: column.removeprefix("diagnostic.") for column in cells}
    return {
        column: replace(cells[column], resampled=_spread(drawn.values[name], drawn.interval(name)))
        for column, name in names.items()
        if name in drawn.values
    }


def _spread(values: Floats, interval: tuple[float, float]) -> Resampled:
    return Resampled(float(np.nanmean(values)), float(np.nanstd(values, ddof=1)), *interval)


def _cell(row: StudyRow, column: str, results: Mapping[str, RunResult]) -> ComparedCell:
    evaluator, name, subject = address(row, column)
    scores = {seed: result.scores.get((evaluator, name, subject)) for seed, result in results.items()}
    known = {seed: score for seed, score in scores.items() if score is not None}
    paper = row.paper.get(column)
    if not known:
        return ComparedCell(values={}, paper=paper)
    first: Score = next(iter(known.values()))
    single = len(results) == 1
    return ComparedCell(
        values={seed: score.value if score else math.nan for seed, score in scores.items()},
        low=first.low if single else None,
        high=first.high if single else None,
        paper=paper,
        unit=first.unit,
        higher_is_better=first.higher_is_better,
        few=any(is_few(score) for score in known.values()),
        percent=_is_share(column),
    )


def address(row: StudyRow, column: str) -> tuple[str, str, str]:
    """Return evaluator, name and subject of the score that a column shows in a row.

    Examples:
        >>> address(Row(subject="oracle", prevalence=0.09), "screening.ppv")
        ('screening', 'ppv_at_9%', 'oracle')
    """
    place, _, subject = column.partition("@")
    evaluator, _, name = place.partition(".")
    if evaluator == "screening" and row.prevalence and name not in LIKELIHOODS:
        name = score_name(name, row.prevalence)
    return evaluator, name, subject or row.subject


def _given(row: StudyRow, column: str) -> ComparedCell:
    """Return what sensitivity and specificity from elsewhere mean in screening."""
    name, paper = column.partition(".")[2], row.paper.get(column)
    rates = dict(zip(("sensitivity", "specificity"), row.given, strict=True))
    known = rates | {key: float(value) for key, value in likelihood_ratios(**rates).items()}
    if row.prevalence:
        known |= vars(screening_at(**rates, prevalence=row.prevalence))
    return ComparedCell(values={"given": known[name]} if name in known else {}, paper=paper, percent=_is_share(column))


def _is_share(column: str) -> bool:
    return column.partition("@")[0] in [f"screening.{name}" for name in SHARES]
