"""Figures of a study: scores beside the paper's, ROC curves over seeds, accuracy against cost, resamples."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from medsynth.api import Predictions, Score
from medsynth.report.drawing.bands import Band, roc_band
from medsynth.report.drawing.classifier_figures import MARKERS, histogram
from medsynth.report.drawing.svg import DASHES, GRID, INK, MUTED, SERIES, literal, new_figure, plain, to_svg
from medsynth.report.drawing.worth_figure import WORTH_CAPTION, worth_figure
from medsynth.report.tables import metric_label
from medsynth.statistics import METRICS, bootstrap_predictions, roc_curve
from medsynth.statistics.scores.diagnostic import Floats
from medsynth.studies.comparison import RESAMPLES, ComparedCell, ComparedRow, Comparison

Figures = Mapping[str, tuple[str, str]]
"""SVG and caption by name."""
LONGEST = 34
"""Characters of a label that a figure has room for."""


def comparison_figures(comparison: Comparison, *, draw_bootstrap: bool) -> Figures:
    """Return the figures that the comparison has something to show in."""
    figures: dict[str, tuple[str, str]] = {}
    if any(cell.values for row in comparison.rows for cell in row.cells.values()):
        figures["scores"] = scores_figure(comparison), _scores_caption(comparison)
    judged = _judged(comparison)
    if judged:
        figures["roc"] = roc_figure(judged), _roc_caption(judged)
    for number, found in enumerate(comparison.worths):
        name = f"worth-{number}" if number else "worth"
        figures[name] = worth_figure(found.scarcity, name), f"{found.label}. {WORTH_CAPTION}"
    costs = [row for row in judged if not math.isnan(_cost(row))]
    if len({_cost(row) for row in costs}) > 1:
        figures["cost"] = cost_figure(costs), _cost_caption(costs)
    if judged and draw_bootstrap:
        caption = f"{RESAMPLES:,} resamples of the test patients, run by run: median, quartiles and central 95 %."
        figures["boxes"] = bootstrap_boxes(judged), caption
    return figures


def _judged(comparison: Comparison) -> list[ComparedRow]:
    """Return the rows with predictions; of those that show the same ones, at other prevalences, the first."""
    found: dict[tuple[str, ...], ComparedRow] = {}
    for row in comparison.rows:
        if any(result.predictions(row.row.subject) for result in row.results.values()):
            same = (row.row.subject, *(str(result.folder) for result in row.results.values()))
            found.setdefault(same, row)
    return list(found.values())


def _scores_caption(comparison: Comparison) -> str:
    """Name what `scores_figure` draws, and nothing else."""
    cells = [cell for row in comparison.rows for cell in row.cells.values() if cell.values]
    parts = ["Every seed's score and its mean" if any(len(cell.values) > 1 for cell in cells) else "Scores"]
    parts += ["bars: intervals of single runs"] if any(_interval(cell) for cell in cells) else []
    papers = [cell for row in comparison.rows for cell in row.cells.values() if isinstance(cell.paper, int | float)]
    parts += ["hollow diamonds: the paper's"] if papers else []
    parts += ["gray: not comparable"] if any(row.obstacles for row in comparison.rows) else []
    return "; ".join(parts) + "."


def _interval(cell: ComparedCell) -> tuple[float, float] | None:
    """Return the interval of a score of one run, if it has one."""
    if len(cell.values) != 1 or cell.low is None or cell.high is None:
        return None
    return (cell.low, cell.high) if math.isfinite(cell.low) and math.isfinite(cell.high) else None


def _roc_caption(rows: list[ComparedRow]) -> str:
    """Name what `roc_figure` draws."""
    several = [len(row.results) > 1 for row in rows]
    if all(several):
        return "Mean ROC curve over seeds. Band: one standard deviation to either side."
    single = "95 % of resamples of test patients"
    if not any(several):
        return f"ROC curves. Band: {single}."
    return f"ROC curves, their mean where there are several seeds. Band: one standard deviation, for one seed {single}."


def _cost_caption(rows: list[ComparedRow]) -> str:
    """Name what `cost_figure` draws."""
    several = {len(row.results) > 1 for row in rows}
    bars = {True: "one standard deviation over seeds", False: "95 % of resamples of test patients"}
    told = " or, for one seed, ".join(bars[many] for many in sorted(several, reverse=True))
    equal = len({_cost(row) for row in rows}) < len(rows)
    return f"AUC against the cost of one image. Bars: {told}.{' Rows of equal cost stand beside each other.' * equal}"


def scores_figure(comparison: Comparison) -> str:
    """Return one panel per column and one line per row."""
    columns = [c for c in comparison.columns if any(row.cells[c].values for row in comparison.rows)]
    across = min(3, len(columns))
    down = math.ceil(len(columns) / across)
    figure = new_figure(2.4 + 2.1 * across, down * (0.9 + 0.3 * len(comparison.rows)))
    for index, column in enumerate(columns):
        axes = figure.add_subplot(down, across, index + 1)
        plain(axes)
        for place, row in enumerate(reversed(comparison.rows)):
            cell = row.cells[column]
            values = [value for value in cell.values.values() if math.isfinite(value)]
            color = MUTED if row.obstacles else SERIES[0]
            axes.plot(values, [place] * len(values), "o", color=color, markersize=4, alpha=0.5)
            if (interval := _interval(cell)) is not None:
                axes.plot(interval, [place, place], color=color, linewidth=1.6, alpha=0.6)
            if math.isfinite(cell.mean):
                axes.plot(cell.mean, place, "|", color=color, markersize=13, markeredgewidth=2.2)
            if isinstance(cell.paper, int | float):
                axes.plot(cell.paper, place, "D", color=SERIES[1], markerfacecolor="none", markersize=6)
        labels = [_label(row.row.label) for row in reversed(comparison.rows)]
        axes.set_yticks(range(len(labels)), labels if index % across == 0 else [""] * len(labels))
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set(ylim=(-0.6, len(labels) - 0.4))
        axes.set_title(literal(metric_label(column.partition(".")[2])), loc="left", fontsize=9.5, color=INK)
        axes.locator_params(axis="x", nbins=4)
        axes.margins(x=0.1)
    return to_svg(figure, "scores", "Scores of every row and seed; the tables have the values")


def roc_figure(rows: list[ComparedRow]) -> str:
    """Return mean and standard deviation over seeds of the sensitivity at each false-positive rate.

    A row of one seed has its own curve with what resamples of the test patients give.
    """
    axes = new_figure(6.4, 4.8).add_subplot()
    plain(axes)
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
    grid = np.linspace(0.0, 1.0, 201)
    for index, row in enumerate(rows):
        judged = _judged_by_seed(row)
        if not judged:
            continue
        color, curves = SERIES[index % len(SERIES)], [_sensitivities(one, grid) for one in judged.values()]
        mean = np.mean(curves, axis=0)
        dashes = DASHES[index // len(SERIES) % len(DASHES)] if len(rows) > len(SERIES) else DASHES[index % len(DASHES)]
        axes.plot(grid, mean, color=color, linestyle=dashes, linewidth=1.7, label=_label(row.row.label))
        if len(curves) > 1:
            spread = np.std(curves, axis=0, ddof=1)
            _fill(axes, Band(grid, np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1)), color)
        else:
            ((seed, one),) = judged.items()
            _fill(axes, roc_band(one, seed=int(seed)), color)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8.5, labelcolor=INK)
    several = any(len(row.results) > 1 for row in rows)
    return _done(axes, "roc", "Mean ROC curves over seeds" if several else "ROC curves")


def _judged_by_seed(row: ComparedRow) -> dict[str, Predictions]:
    """Return the predictions of a row's runs on test images of both classes."""
    found = {seed: result.predictions(row.row.subject) for seed, result in row.results.items()}
    return {seed: one for seed, one in found.items() if one is not None and {0, 1} <= set(one.labels.tolist())}


def _sensitivities(judged: Predictions, rates: Floats) -> Floats:
    curve = roc_curve(judged.probabilities, judged.labels)
    return curve.sensitivity[np.searchsorted(curve.false_positive_rate, rates, side="right") - 1]


def _fill(axes: Axes, band: Band | None, color: str) -> None:
    if band is not None:
        axes.fill_between(band.at, band.low, band.high, color=color, alpha=0.13, linewidth=0)


def _cost(row: ComparedRow, name: str = "macs") -> float:
    found = [result.scores.get(("efficiency", name, "classifier")) for result in row.results.values()]
    return float(np.mean([score.value for score in found if score])) if any(found) else math.nan


def cost_figure(rows: list[ComparedRow]) -> str:
    """Return AUC with its interval against multiply-accumulates, and against latency where it was measured.

    The interval is that of resampling test patients for one seed, the standard deviation for several.
    """
    costs = {"macs": ("million multiply-accumulates", 1e-6), "latency": ("latency, ms", 1.0)}
    shown = {name: how for name, how in costs.items() if any(math.isfinite(_cost(row, name)) for row in rows)}
    figure = new_figure(3.2 * len(shown) + 3.2, 3.8)
    for index, (name, (label, scale)) in enumerate(shown.items()):
        axes = figure.add_subplot(1, len(shown), index + 1)
        plain(axes)
        axes.set(xlabel=label, ylabel="" if index else "AUC", xscale="log")
        places = [scale * _cost(row, name) for row in rows]
        _cost_panel(axes, list(zip(rows, places, strict=True)))
        wide = np.nanmax(places) > 10 * np.nanmin(places)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if wide else (1, 2, 3, 5, 7)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(0.15)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8.5, labelcolor=INK)
    return to_svg(figure, "cost", "AUC against cost; the tables have the values")


def _cost_panel(axes: Axes, rows: list[tuple[ComparedRow, float]]) -> None:
    """Draw one point per row; rows of one cost beside each other."""
    taken: dict[float, int] = {}
    for index, (row, cost) in enumerate(rows):
        found = [result.scores.get(("diagnostic", "roc_auc", row.row.subject)) for result in row.results.values()]
        areas = [score for score in found if score is not None]
        if not areas or not math.isfinite(cost):
            continue
        mean = float(np.mean([score.value for score in areas]))
        place = cost * 1.03 ** taken.setdefault(cost, 0)
        taken[cost] += 1
        color = SERIES[index % len(SERIES)]
        axes.plot([place, place], cost_interval(areas), color=color, linewidth=1.6, alpha=0.6)
        marker = MARKERS[index % len(MARKERS)]
        axes.plot(place, mean, marker, color=color, markersize=8, label=_label(row.row.label))


def cost_interval(areas: list[Score]) -> tuple[float, float]:
    """Return the interval of one AUC, or mean less and plus standard deviation of several."""
    mean = float(np.mean([score.value for score in areas]))
    if len(areas) > 1:
        spread = float(np.std([score.value for score in areas], ddof=1))
        return mean - spread, mean + spread
    low, high = areas[0].low, areas[0].high
    return (mean, mean) if low is None or high is None else (low, high)


def bootstrap_boxes(rows: list[ComparedRow]) -> str:
    """Return the six diagnostic scores in resamples of the test patients: histogram and box of every run."""
    runs = [
        (f"{row.row.label}, seed {seed}" if row.row.seed < 0 else row.row.label, judged, int(seed))
        for row in rows
        for seed, result in row.results.items()
        if (judged := result.predictions(row.row.subject)) is not None
    ]
    found = [bootstrap_predictions(judged, resamples=RESAMPLES, seed=seed) for _, judged, seed in runs]
    figure = new_figure(8.4, 2 * (0.9 + 0.55 * len(runs)))
    for index, metric in enumerate(METRICS):
        axes = figure.add_subplot(2, 3, index + 1)
        plain(axes)
        for place, bootstrap in enumerate(reversed(found)):
            values = bootstrap.values[metric]
            histogram(axes, values[np.isfinite(values)], place, SERIES[(len(runs) - 1 - place) % len(SERIES)])
        labels = [_label(label) for label, _, _ in reversed(runs)] if index % 3 == 0 else [""] * len(runs)
        axes.set_yticks(range(len(runs)), labels)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set(ylim=(-0.35, len(runs) - 0.2))
        axes.set_title(literal(metric_label(metric)), loc="left", fontsize=9.5, color=INK)
        axes.locator_params(axis="x", nbins=4)
    return to_svg(figure, "boxes", "Scores in resamples of the test patients, run by run; study.json has the values")


def _label(text: str) -> str:
    """Return a row's label, its end if it is long."""
    return literal(text if len(text) <= LONGEST else "..." + text[3 - LONGEST :])


def _done(axes: Axes, name: str, title: str) -> str:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return to_svg(figure, name, f"{title}; the tables have the values")
