"""Figures of what a classifier says about the real test images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from medsynth.api import Predictions
from medsynth.report.drawing.bands import Band, precision_band, reliability, roc_band
from medsynth.report.drawing.svg import DASHES, GRID, INK, SERIES, literal, new_figure, plain, to_svg
from medsynth.report.tables import subject_label
from medsynth.statistics import bootstrap_predictions, roc_curve

MARKERS = ("o", "s", "D", "^", "v")
RESAMPLES = 2000
Corner = Literal["lower right", "lower left", "upper left"]


def roc_figure(predictions: Mapping[str, Predictions], *, seed: int) -> str:
    """Return the ROC curves of all subjects; the first one has an interval band, each its operating point."""
    axes = _square("1 - specificity", "sensitivity")
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
    for index, (subject, judged) in enumerate(predictions.items()):
        if index == 0:
            _fill(axes, roc_band(judged, seed=seed), "post")
        curve = roc_curve(judged.probabilities, judged.labels)
        _line(axes, index, subject, curve.false_positive_rate, curve.sensitivity)
        axes.plot(*operating_point(judged), MARKERS[index % len(MARKERS)], color=_color(index), markersize=6.5)
    return _done(axes, "roc", "ROC curves", predictions, "lower right")


def precision_figure(predictions: Mapping[str, Predictions], *, seed: int) -> str:
    """Return precision over sensitivity of all subjects; the first one has an interval band."""
    axes = _square("sensitivity (recall)", "precision")
    share = float((np.asarray(next(iter(predictions.values())).labels) == 1).mean())
    axes.plot([0, 1], [share, share], color=GRID, linewidth=1)  # what calling at random gives
    for index, (subject, judged) in enumerate(predictions.items()):
        if index == 0:
            _fill(axes, precision_band(judged, seed=seed), "pre")
        curve = roc_curve(judged.probabilities, judged.labels)
        true, false = share * curve.sensitivity[1:], (1 - share) * curve.false_positive_rate[1:]
        _line(axes, index, subject, curve.sensitivity[1:], true / (true + false))
    return _done(axes, "precision", "Precision-recall curves", predictions, "lower left")


def calibration_figure(predictions: Mapping[str, Predictions], *, seed: int) -> str:
    """Return how frequent positives are among cases of similar probability; the first subject has intervals."""
    axes = _square("probability that was said", "share of positives")
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
    for index, (subject, judged) in enumerate(predictions.items()):
        found = reliability(judged, seed=seed)
        if index == 0:
            axes.vlines(found.said, found.low, found.high, color=_color(0), linewidth=2.2, alpha=0.35)
        _line(axes, index, subject, found.said, found.frequent, marker=MARKERS[index % len(MARKERS)])
    return _done(axes, "calibration", "Calibration", predictions, "upper left")


def bootstrap_figure(predictions: Mapping[str, Predictions], *, seed: int) -> str:
    """Return the AUC in resamples of patients: one histogram per subject with its box of quartiles and 95 %."""
    figure = new_figure(5.2, 0.8 + 0.85 * len(predictions))
    axes = figure.add_subplot()
    plain(axes)
    labels = []
    for index, (subject, judged) in enumerate(predictions.items()):
        row = len(predictions) - 1 - index
        values = bootstrap_predictions(judged, resamples=RESAMPLES, seed=seed).values["roc_auc"]
        values = values[np.isfinite(values)]
        if len(values):
            histogram(axes, values, row, _color(index))
        labels.append((row, literal(subject_label(subject))))
    axes.set_yticks([row for row, _ in labels], [label for _, label in labels])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set(ylim=(-0.35, len(predictions) - 0.2), xlabel="AUC in resamples of patients (0.5 = guessing)")
    return to_svg(
        figure, "bootstrap", f"Histograms of the AUC in {RESAMPLES} resamples of patients" + _among(predictions)
    )


def histogram(axes: Axes, values: np.ndarray, row: int, color: str) -> None:
    """Draw (R,) resampled values above the height `row`, with a box of quartiles and the central 95 % on it."""
    counts, edges = np.histogram(values, bins=32)
    axes.stairs(
        row + 0.12 + 0.58 * counts / counts.max(), edges, baseline=row + 0.12, fill=True, color=color, alpha=0.3
    )
    low, first, middle, third, high = np.percentile(values, [2.5, 25, 50, 75, 97.5])
    axes.plot([low, high], [row, row], color=color, linewidth=1.6)
    axes.plot([first, third], [row, row], color=color, linewidth=7, solid_capstyle="butt")
    axes.plot(middle, row, "|", color=INK, markersize=9, markeredgewidth=1.6)


def operating_point(predictions: Predictions) -> tuple[float, float]:
    """Return false-positive rate and sensitivity at the chosen threshold; NaN where a class is absent."""
    called = np.asarray(predictions.probabilities) >= predictions.threshold
    positive = np.asarray(predictions.labels) == 1
    rates = [float(called[group].mean()) if group.any() else math.nan for group in (~positive, positive)]
    return rates[0], rates[1]


def _square(across: str, up: str) -> Axes:
    axes = new_figure(5.2, 4.8).add_subplot()
    plain(axes)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=across, ylabel=up, aspect="equal")
    return axes


def _color(index: int) -> str:
    return SERIES[index % len(SERIES)]


def _fill(axes: Axes, band: Band | None, step: Literal["pre", "post"]) -> None:
    if band is not None:
        axes.fill_between(band.at, band.low, band.high, step=step, color=_color(0), alpha=0.16, linewidth=0)


def _line(axes: Axes, index: int, subject: str, across: ArrayLike, up: ArrayLike, *, marker: str = "") -> None:
    axes.plot(
        across,
        up,
        color=_color(index),
        linestyle=DASHES[index % len(DASHES)],
        linewidth=1.8,
        marker=marker,
        markersize=5.5,
        label=literal(subject_label(subject)),
    )


def _among(subjects: Iterable[str]) -> str:
    return " of " + ", ".join(subject_label(subject) for subject in subjects) + "; the score table has the values"


def _done(axes: Axes, name: str, title: str, subjects: Iterable[str], place: Corner) -> str:
    axes.legend(loc=place, frameon=False, fontsize=9, labelcolor=INK)
    figure = axes.get_figure(root=True)
    assert figure is not None
    return to_svg(figure, name, title + _among(subjects))
