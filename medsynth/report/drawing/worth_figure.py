"""Figure: scores against the number of real positive patients, with and without synthetic images."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from medsynth.api import Subject
from medsynth.report.drawing.svg import DASHES, INK, SERIES, new_figure, plain, to_svg
from medsynth.report.tables import subject_label
from medsynth.statistics.worth import AREA, COMPARED, SENSITIVITY, Scarcity

PANELS = {AREA: "AUC", SENSITIVITY: "sensitivity at the threshold"}
WORTH_CAPTION = (
    "Mean over seeds against the number of real positive patients in training. Bars: 95 % of resamples of test "
    "patients and seeds together. The arrow is the worth of synthesis with the fewest patients: from there to where "
    "real images alone reach the same AUC, dotted where they do not."
)


def worth_figure(found: Scarcity, name: str) -> str:
    """Return AUC and sensitivity as panels, with the worth at the fewest patients as an arrow.

    Args:
        found: what to draw.
        name: unique on the page.
    """
    figure = new_figure(8.4, 3.6)
    for place, (metric, label) in enumerate(PANELS.items(), start=1):
        axes = figure.add_subplot(1, len(PANELS), place)
        plain(axes)
        for index, subject in enumerate(COMPARED):
            _curve(axes, found, subject, metric, index)
        axes.set(xscale="log", xlabel="real positive patients in training", ylabel=label)
        axes.set_xticks(found.numbers, [f"{number}" for number in found.numbers])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(0.08)
        if metric == AREA:
            _arrow(axes, found)
            axes.legend(loc="lower right", frameon=False, fontsize=8.5, labelcolor=INK)
    return to_svg(figure, name, "Scores against the number of real positive patients; the tables have the values")


def _curve(axes: Axes, found: Scarcity, subject: str, metric: str, index: int) -> None:
    """Draw one curve; the second one's bars stand a little aside."""
    points = found.scores[subject][metric]
    places = np.array(found.numbers) * 1.03**index
    values = [point.value for point in points]
    color, label = SERIES[index], subject_label(subject)
    axes.plot(places, values, "os"[index], linestyle=DASHES[index], color=color, markersize=5, label=label)
    axes.vlines(places, [p.low for p in points], [p.high for p in points], color=color, linewidth=1.4, alpha=0.5)


def _arrow(axes: Axes, found: Scarcity) -> None:
    """Draw the worth with the fewest patients, to the curve's end where it lies beyond."""
    worth = found.worth[0].value
    if not worth > 0.0:
        return
    start, height = found.numbers[0], found.scores[Subject.SYNTHETIC][AREA][0].value
    end = found.numbers[-1] if math.isinf(worth) else start + worth
    style = {"arrowstyle": "->", "color": INK, "linewidth": 1.2, "linestyle": ":" if math.isinf(worth) else "-"}
    axes.annotate("", xy=(end, height), xytext=(start, height), arrowprops=style)
