"""What a classifier would mean in screening, by prevalence (the paper's table 7): table and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from medsynth.api import Predictions, Score
from medsynth.report.downloads import Download, csv_of_scores, latex_text
from medsynth.report.drawing.svg import DASHES, INK, SERIES, literal, new_figure, plain, to_svg
from medsynth.report.tables import Cell, number, percent, subject_label
from medsynth.report.verdict import finite_interval
from medsynth.statistics import bootstrap_predictions, diagnostic_metrics
from medsynth.statistics.scores.likelihoods import CONSEQUENCES, LIKELIHOODS, consequences

EVALUATOR = "screening"
HEADINGS = dict(zip(CONSEQUENCES, ("PPV", "NPV", "called positive", "NNS", "false per true alarm"), strict=True))
RATIOS = dict(zip(LIKELIHOODS, ("LR+", "LR-", "diagnostic odds ratio"), strict=True))
SHARES = ("ppv", "npv", "screen_positive")
GRID = np.geomspace(1e-4, 0.5, 61)
"""Prevalences of the figure."""
RESAMPLES = 2000


@dataclass(frozen=True)
class ScreeningTable:
    """Screening by prevalence for one classifier.

    Args:
        ratios: name and value of what does not depend on the prevalence.
        rows: prevalence, and cells in the order of `HEADINGS`; None = not measured.
        download: the same as files.
    """

    ratios: tuple[tuple[str, Cell], ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    download: Download

    @property
    def columns(self) -> tuple[str, ...]:
        """Headings of the cells."""
        return tuple(HEADINGS.values())


def screening_table(scores: Sequence[Score], subject: str) -> ScreeningTable | None:
    """Return the table of one subject, or None without scores of the evaluator screening."""
    own = {score.name: score for score in scores if score.evaluator == EVALUATOR and score.subject == subject}
    if not own:
        return None
    ratios = tuple((label, _cell(own[name])) for name, label in RATIOS.items() if name in own)
    rows = []
    for prevalence in dict.fromkeys(name.partition("_at_")[2] for name in own if "_at_" in name):
        found = (own.get(f"{measure}_at_{prevalence}") for measure in HEADINGS)
        rows.append((prevalence.replace("%", " %"), tuple(None if s is None else _cell(s) for s in found)))
    body = [[label, *("--" if c is None else _flat(c) for c in cells)] for label, cells in rows]
    every = [score for score in scores if score.evaluator == EVALUATOR]
    download = Download(EVALUATOR, csv_of_scores(every), latex_text(["prevalence", *HEADINGS.values()], body))
    return ScreeningTable(ratios, tuple(rows), download)


def _cell(score: Score) -> Cell:
    shown = percent if score.name.partition("_at_")[0] in SHARES else number
    interval = finite_interval(score)
    return Cell(shown(score.value), f"{shown(interval[0])} to {shown(interval[1])}" if interval else "")


def _flat(cell: Cell) -> str:
    return f"{cell.value} ({cell.interval})" if cell.interval else cell.value


def prevalence_figure(predictions: Mapping[str, Predictions], *, seed: int) -> str:
    """Return PPV and NPV over the prevalence, of all subjects; the first one has an interval band."""
    figure = new_figure(8.4, 3.6)
    panels = dict(zip(("ppv", "npv"), figure.subplots(1, 2), strict=True))
    for measure, axes in panels.items():
        plain(axes)
        axes.set(xscale="log", xlim=(GRID[0], GRID[-1]), xlabel="prevalence", ylabel=HEADINGS[measure])
        axes.set_xticks([1e-4, 1e-3, 1e-2, 1e-1, 0.5], ["0.01 %", "0.1 %", "1 %", "10 %", "50 %"], minor=False)
        axes.minorticks_off()
    panels["ppv"].set_ylim(-0.02, 1.02)
    for index, (subject, judged) in enumerate(predictions.items()):
        found = diagnostic_metrics(judged.probabilities, judged.labels, judged.threshold)
        curves = consequences(found["sensitivity"], found["specificity"], GRID)
        for measure, axes in panels.items():
            style = {"color": SERIES[index % len(SERIES)], "linestyle": DASHES[index % len(DASHES)]}
            axes.plot(GRID, curves[measure], linewidth=1.8, label=literal(subject_label(subject)), **style)
        if index == 0:
            _bands(panels, judged, seed)
    panels["ppv"].legend(loc="upper left", frameon=False, fontsize=9, labelcolor=INK)
    listed = ", ".join(subject_label(subject) for subject in predictions)
    return to_svg(figure, "prevalence", f"PPV and NPV over the prevalence, of {listed}; the screening table has values")


def _bands(panels: Mapping[str, Axes], judged: Predictions, seed: int) -> None:
    """Fill what the central 95 % of resamples of patients give."""
    bootstrap = bootstrap_predictions(judged, resamples=RESAMPLES, seed=seed)
    rates = np.stack([bootstrap.values["sensitivity"], bootstrap.values["specificity"]])
    rates = rates[:, np.isfinite(rates).all(axis=0)]
    if bootstrap.patients < 2 or not rates.shape[1]:
        return
    curves = consequences(rates[0][:, None], rates[1][:, None], GRID)
    for measure, axes in panels.items():
        low, high = np.nanpercentile(curves[measure], [2.5, 97.5], axis=0)
        axes.fill_between(GRID, low, high, color=SERIES[0], alpha=0.16, linewidth=0)
