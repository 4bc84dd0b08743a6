"""The report's figures of scores and of training; those of the classifier are in `classifier_figures`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from medsynth.api import Score
from medsynth.report.classifier_figures import MARKERS
from medsynth.report.svg import DASHES, INK, MUTED, SERIES, literal, new_figure, plain, to_svg
from medsynth.report.tables import metric_label, subject_label
from medsynth.report.verdict import finite_interval

COLUMNS = 3


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


def curves_figure(name: str, curves: Mapping[str, Sequence[float]]) -> str:
    """Return small multiples: one panel per loss or metric, epochs to the right.

    Args:
        name: unique on the page.
        curves: by loss or metric, one value per epoch; NaN where there is none.
    """
    columns = min(COLUMNS, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = new_figure(2.5 * columns, 1.75 * rows)
    for index, (title, values) in enumerate(curves.items()):
        axes = figure.add_subplot(rows, columns, index + 1)
        plain(axes)
        known = np.flatnonzero(np.isfinite(values))
        marker = "." if len(known) <= 30 else ""
        finite = np.asarray(values, float)[known]
        axes.plot(known + 1, finite, color=SERIES[0], linewidth=1.6, marker=marker, markersize=5)
        axes.set_title(literal(metric_label(title)), loc="left", fontsize=9.5, color=INK)
        axes.locator_params(axis="x", integer=True, nbins=4)
        axes.locator_params(axis="y", nbins=4)
        axes.margins(x=0.03, y=0.12)
    figure.supxlabel("epoch", fontsize=9, color=MUTED)
    return to_svg(figure, name, "Curves over epochs: " + ", ".join(curves))
