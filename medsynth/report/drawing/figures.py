"""The report's figures of scores and of training; those of the classifier are in `classifier_figures`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from medsynth.api import Score
from medsynth.report.drawing.classifier_figures import MARKERS
from medsynth.report.drawing.svg import DASHES, INK, MUTED, SERIES, literal, new_figure, plain, to_svg
from medsynth.report.tables import metric_label, subject_label
from medsynth.report.verdict import finite_interval

COLUMNS = 4
LONGEST_END = 2
"""Characters of the last part of a name, e.g. ``ab``, that tells curves of one panel apart."""
Panels = Mapping[str, Mapping[str, Sequence[float]]]
"""Curves by panel and by line; a line without a name needs no legend."""


def interval_figure(scores: Sequence[Score]) -> str:
    """Return values of one metric with their intervals, one line per subject."""
    figure = new_figure(5.2, 0.75 + 0.5 * len(scores))
    axes = figure.add_subplot()
    plain(axes)
    for index, score in enumerate(scores):
        color, row = SERIES[index % len(SERIES)], len(scores) - 1 - index
        interval = finite_interval(score)
        if interval:
            axes.plot(interval, [row, row], color=color, linewidth=2.4, solid_capstyle="round")
        axes.plot(score.value, row, MARKERS[index % len(MARKERS)], color=color, markersize=8)
        axes.annotate(
            f"{score.value:.3f}", (score.value, row), xytext=(0, 8), textcoords="offset points", ha="center", color=INK,
            fontsize=9,
        )  # fmt: skip
    axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=DASHES[3])
    axes.set_yticks(range(len(scores)), [literal(subject_label(score.subject)) for score in reversed(scores)])
    axes.tick_params(axis="y", labelcolor=INK)
    lows = [bound for score in scores for bound in (finite_interval(score) or (score.value,))]
    axes.set(ylim=(-0.5, len(scores) - 0.2), xlim=(min(0.48, *lows) - 0.02, 1.02), xlabel="AUC (0.5 = guessing)")
    listed = "; ".join(f"{subject_label(score.subject)} {score.value:.3f}" for score in scores)
    return to_svg(figure, "auc", f"AUC with intervals: {listed}")


def curve_panels(trainings: Mapping[str, Mapping[str, Sequence[float]]]) -> Panels:
    """Return what belongs into one panel each.

    Of several trainings a panel holds one loss or metric of all of them; of a single one the curves whose names differ
    in their last part only, e.g. ``cycle_a`` and ``cycle_b``.

    Args:
        trainings: by name, and by loss or metric, one value per epoch.
    """
    panels: dict[str, dict[str, Sequence[float]]] = {}
    for training, curves in trainings.items():
        for name, values in curves.items():
            if len(trainings) > 1:
                panels.setdefault(name, {})[subject_label(training)] = values
            else:
                title, line = _parted(name, curves)
                panels.setdefault(title, {})[line] = values
    return panels


def _parted(name: str, names: Iterable[str]) -> tuple[str, str]:
    """Return the part of a name that others share and its end, e.g. ``cycle`` and ``a``; all of it if none does."""
    parts = [(stem, end) for stem, _, end in (other.rpartition("_") for other in names) if len(end) <= LONGEST_END]
    stem, _, end = name.rpartition("_")
    twins = sum(1 for other, _ in parts if stem and other == stem)
    return (stem, end) if twins > 1 and len(end) <= LONGEST_END else (name, "")


def curves_figure(name: str, panels: Panels) -> str:
    """Return small multiples, epochs to the right; lines of one name look alike in all panels.

    Args:
        name: unique on the page.
        panels: by title and line, one value per epoch; NaN where there is none.
    """
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    lines = list(dict.fromkeys(line for curves in panels.values() for line in curves if line))
    figure = new_figure(2.2 * columns, 1.45 * rows + (0.3 if lines else 0))
    for index, (title, curves) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, index + 1)
        plain(axes)
        for line, values in curves.items():
            _curve(axes, values, lines.index(line) if line else 0, line)
        axes.set_title(literal(metric_label(title)), loc="left", fontsize=9.5, color=INK)
        axes.locator_params(axis="x", integer=True, nbins=4)
        axes.locator_params(axis="y", nbins=4)
        axes.margins(x=0.03, y=0.12)
    if lines:
        drawn = {str(curve.get_label()): curve for axes in figure.axes for curve in axes.get_lines()}
        known = {label: curve for label, curve in drawn.items() if not label.startswith("_")}
        style: dict[str, Any] = {"ncols": len(known), "frameon": False, "fontsize": 9, "labelcolor": INK}
        figure.legend(list(known.values()), list(known), loc="outside upper left", **style)
    figure.supxlabel("epoch", fontsize=9, color=MUTED)
    return to_svg(figure, name, "Curves over epochs: " + ", ".join(panels))


def _curve(axes: Axes, values: Sequence[float], place: int, line: str) -> None:
    known = np.flatnonzero(np.isfinite(values))
    axes.plot(
        known + 1,
        np.asarray(values, float)[known],
        color=SERIES[place % len(SERIES)],
        linestyle=DASHES[place % len(DASHES)],
        linewidth=1.5,
        marker="." if len(known) <= 30 else "",
        markersize=4,
        label=literal(line) or "_",
    )
