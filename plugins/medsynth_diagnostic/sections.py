"""Two parts of the report: classifiers compared on the same test images, and their decision curves."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from medsynth.api import Result, Section
from medsynth.report.drawing.svg import DASHES, GRID, INK, SERIES, literal, new_figure, plain, to_svg
from medsynth.report.tables import metric_label, subject_label
from medsynth.statistics import (
    DecisionCurve,
    Difference,
    area_difference,
    decision_curve,
    differences,
    holm,
    paired_bootstrap,
)

RESAMPLES = 2000
THRESHOLDS = np.arange(1, 100) / 100
PRINTED = (0.05, 0.1, 0.2, 0.3, 0.5)
COMPARED = ("roc_auc", "sensitivity", "specificity")


@dataclass(frozen=True)
class Judged:
    """What one classifier said about the test images, as the evaluation stage wrote it."""

    subject: str
    probabilities: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    threshold: float


def sections(result: Result, *, seed: int) -> list[Section]:
    """Return both parts; nothing where the evaluator did not judge, or a class is absent from the test images."""
    judged = [row for row in _judged(result) if len(set(row.labels.tolist())) == 2]
    if not judged:
        return []
    found = [Section(title="Decision curves", html=_decision_html(judged, seed))]
    if len(judged) > 1:
        found.insert(0, Section(title="Classifiers compared on the same images", html=_compared_html(judged, seed)))
    return found


def _judged(result: Result) -> list[Judged]:
    """Read the predictions that lie beside the report; a report over several seeds has none of its own."""
    folder = Path(result.report).parent / "evaluation"
    thresholds = {s.subject: s.value for s in result.scores if (s.evaluator, s.name) == ("diagnostic", "threshold")}
    found = []
    for subject, threshold in thresholds.items():
        path = folder / f"predictions-{subject}.csv"
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            found.append(
                Judged(
                    subject,
                    np.array([float(row["probability"]) for row in rows]),
                    np.array([int(row["label"]) for row in rows]),
                    np.array([row["patient"] for row in rows], dtype=object),
                    threshold,
                )
            )
    return found


def _compared_html(judged: Sequence[Judged], seed: int) -> str:
    """Return the table of differences of the first classifier to each other one, with p-values adjusted over it."""
    rows = [(other.subject, *row) for other in judged[1:] for row in _compared(judged[0], other, seed).items()]
    adjusted = holm([row.p_value for _, _, row in rows])
    first = escape(subject_label(judged[0].subject))
    body = "".join(
        f'<tr><th scope="row">{escape(subject_label(subject))}</th><td>{metric_label(name)}</td>'
        f"<td>{row.value:+.3f}{_ends(row.low, row.high, '+.3f')}</td>"
        f"<td>{_probability(row.p_value)}</td><td>{_probability(p_value)}</td></tr>"
        for (subject, name, row), p_value in zip(rows, adjusted, strict=True)
    )
    return (
        f'<p class="note">Scores of the classifier “{first}” minus those of the others. AUC: test of DeLong, with '
        "images summed by patient (Obuchowski). Sensitivity and specificity: "
        f"{RESAMPLES:,} resamples of patients, the same for both. Intervals hold 95 %. Holm: p-value adjusted for all "
        "rows of the table.</p>"
        + _table("Differences", ("compared with", "score", "difference", "p", "p (Holm)"), body)
    )


def _compared(one: Judged, two: Judged, seed: int) -> dict[str, Difference]:
    resampled = paired_bootstrap(
        one.probabilities,
        two.probabilities,
        one.labels,
        one.patients,
        thresholds=(one.threshold, two.threshold),
        resamples=RESAMPLES,
        seed=seed,
    )
    found = {name: row for name, row in differences(resampled).items() if name in COMPARED}
    area = area_difference(one.probabilities, two.probabilities, one.labels, one.patients)
    if area:
        found["roc_auc"] = area
    return {name: found[name] for name in COMPARED}


def _decision_html(judged: Sequence[Judged], seed: int) -> str:
    curves = [
        decision_curve(row.probabilities, row.labels, row.patients, THRESHOLDS, resamples=RESAMPLES, seed=seed)
        for row in judged
    ]
    names = [subject_label(row.subject) for row in judged]
    places = [int(np.argmin(np.abs(THRESHOLDS - threshold))) for threshold in PRINTED]
    body = "".join(
        f'<tr><th scope="row">{THRESHOLDS[place]:g}</th>'
        + "".join(f"<td>{_benefit(curve, place)}</td>" for curve in curves)
        + f"<td>{curves[0].everybody[place]:.3f}</td></tr>"
        for place in places
    )
    return (
        '<p class="note">Net benefit: true positives per person, less false positives at the price that the threshold '
        "sets, t / (1 - t) each. A classifier is worth using at thresholds where its curve lies above treating "
        "everybody and above zero, which is treating nobody. It holds for this test set's share of positives, and for "
        "probabilities that are honest (see calibration). Band and small print: 95 % of resamples of patients.</p>"
        f"<figure>{_figure(names, curves)}</figure>"
        + _table("Net benefit", ("threshold", *(escape(name) for name in names), "everybody"), body)
    )


def _figure(names: Sequence[str], curves: Sequence[DecisionCurve]) -> str:
    figure = new_figure(5.6, 4.2)
    axes = figure.add_subplot()
    plain(axes)
    axes.axhline(0.0, color=GRID, linewidth=1.4)
    axes.plot(THRESHOLDS, curves[0].everybody, color=INK, linewidth=1, label="treating everybody")
    for index, (name, curve) in enumerate(zip(names, curves, strict=True)):
        color, dashes = SERIES[index % len(SERIES)], DASHES[index % len(DASHES)]
        axes.plot(THRESHOLDS, curve.model, color=color, linestyle=dashes, linewidth=1.8, label=literal(name))
    axes.fill_between(THRESHOLDS, curves[0].low, curves[0].high, color=SERIES[0], alpha=0.16, linewidth=0)
    share = float(max(curve.model.max() for curve in curves))
    axes.set(xlim=(0, 1), ylim=(-0.3 * share - 0.02, 1.25 * share + 0.02), xlabel="threshold", ylabel="net benefit")
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    return to_svg(figure, "decision", "Decision curves of " + ", ".join(names) + "; the table has some of the values")


def _benefit(curve: DecisionCurve, place: int) -> str:
    return f"{curve.model[place]:.3f}{_ends(curve.low[place], curve.high[place], '.3f')}"


def _ends(low: float, high: float, form: str) -> str:
    return f"<small>{low:{form}} to {high:{form}}</small>" if math.isfinite(low) else ""


def _table(caption: str, columns: Sequence[str], body: str) -> str:
    heads = "".join(f'<th scope="col">{column}</th>' for column in columns)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table><caption>{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _probability(p_value: float) -> str:
    if math.isnan(p_value):
        return "n/a"
    return "&lt; 0.001" if p_value < 0.001 else f"{p_value:.3f}"
