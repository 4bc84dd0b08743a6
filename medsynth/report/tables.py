"""Scores, plans and counts as rows of text for the template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medsynth.api import Predictions, Score, Subject
from medsynth.report.verdict import NOT_ENOUGH, finite_interval, is_few
from medsynth.statistics import confusion

SUBJECTS = {
    Subject.SYNTHETIC: "with synthetic images",
    Subject.REAL_ONLY: "real images only",
    Subject.UNTRANSLATED: "with source images untranslated",
    Subject.ORACLE: "oracle",
    Subject.SOURCE: "source, untranslated",
    Subject.REAL: "real against real (floor)",
}
IMAGE_SUBJECTS = {Subject.SYNTHETIC: "synthetic"}
OF_IMAGES = {"fid", "kid", "memorized"}
"""Scores by which an evaluator is known to judge images, not classifiers."""
METRICS = {
    "roc_auc": "AUC", "accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity",
    "precision": "precision", "f1": "F1", "fid": "FID", "kid": "KID", "mifid": "MIFID",
    "fid_infinity": "FID∞", "macs": "MACs", "pr_auc": "PR AUC", "mcc": "MCC", "brier_score": "Brier score",
    "positive_likelihood_ratio": "LR+", "negative_likelihood_ratio": "LR-", "ppv": "PPV", "npv": "NPV",
    "screen_positive": "called positive", "number_needed": "NNS", "false_per_true": "false per true alarm",
    "ssim": "SSIM", "ms_ssim": "MS-SSIM", "psnr": "PSNR", "cohen_kappa": "Cohen's kappa",
    "fleiss_kappa": "Fleiss' kappa",
    "edge_agreement": "edge agreement with the source", "edge_agreement_true": "edge agreement with the truth",
    "mutual_information": "mutual information with the source",
    "mutual_information_true": "mutual information with the truth", "dice_cavity": "Dice, cavity",
    "dice_junction": "Dice, junction", "dice_myometrium": "Dice, myometrium", "gain": "gain in AUC",
    "turing_accuracy": "told apart", "turing_d_prime": "d'", "turing_auc": "told apart, AUC",
    "turing_synthetic": "synthetic recognized", "turing_real": "real recognized",
    "turing_p_value": "told apart, p", "turing_repeat_kappa": "told apart, kappa with oneself",
    "repeat_kappa": "kappa with oneself",
}  # fmt: skip
_ORDER = list(SUBJECTS)
WIDEST = 6
"""Columns that a table has room for beside its first one."""


def subject_label(subject: str) -> str:
    """Return a subject as readers should see it."""
    return SUBJECTS.get(subject, subject)


def metric_label(name: str) -> str:
    """Return a score's or loss's name as readers should see it."""
    measure, at, prevalence = name.partition("_at_")
    label = METRICS.get(measure, measure.replace("_", " "))
    return f"{label} at {prevalence.replace('%', ' %')}" if at else label


def ordered(subjects: Iterable[str]) -> list[str]:
    """Return distinct subjects: the run's own row first, then the rows it is compared with, then others."""
    distinct = list(dict.fromkeys(subjects))
    return sorted(distinct, key=lambda subject: _ORDER.index(subject) if subject in _ORDER else len(_ORDER))


def number(value: float, unit: str = "") -> str:
    """Return a value with about four significant digits.

    Examples:
        >>> number(391776), number(2.89e8), number(0.98362), number(float("nan"))
        ('391,776', '289 M', '0.984', 'n/a')
    """
    suffix = f" {unit}" if unit else ""
    if not math.isfinite(value):
        return "n/a" if math.isnan(value) else "∞"
    if abs(value) >= 1e9:
        return f"{value / 1e9:.3g} G{suffix}"
    if abs(value) >= 1e7:
        return f"{value / 1e6:.3g} M{suffix}"
    if abs(value) >= 1e3:
        return f"{value:,.0f}{suffix}"
    if 0 < abs(value) < 0.1:
        return f"{value:.4f}{suffix}"
    return (f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}").removesuffix(".0") + suffix


def percent(share: float) -> str:
    """Return a share as percent with two decimals; what is not quite all is never rounded to 100 %."""
    if 0.99995 <= share < 1:
        return "> 99.99 %"
    return f"{100 * share:.2f} %" if math.isfinite(share) else "n/a"


@dataclass(frozen=True)
class Cell:
    """A value and its interval, as text."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one evaluator: one row per subject, one column per score.

    Args:
        evaluator: its name.
        columns: headings, with an arrow that points where better is.
        rows: label, cells in the order of the columns (None = not measured), number of cases.
        notes: details of the scores, each once.
        main: label of the row that the run is about, if it is among them.
    """

    evaluator: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...], str], ...]
    notes: tuple[str, ...]
    main: str

    @property
    def heading(self) -> str:
        """The evaluator's name as a chapter's heading."""
        return self.evaluator.replace("-", " ").capitalize()

    @property
    def is_tall(self) -> bool:
        """Whether it is read more easily with a row per score and a column per subject."""
        return len(self.columns) > WIDEST and len(self.rows) <= WIDEST

    @property
    def tall_rows(self) -> list[tuple[str, list[Cell | None]]]:
        """Each score's heading, with its cells in the order of the subjects."""
        return [(column, [cells[k] for _, cells, _ in self.rows]) for k, column in enumerate(self.columns)]

    @property
    def counted(self) -> bool:
        """Whether any row rests on more than one case."""
        return any(n not in ("", "1") for _, _, n in self.rows)


def score_tables(scores: Sequence[Score]) -> dict[str, ScoreTable]:
    """Return one table per evaluator, in the order in which evaluators first appear."""
    return {
        evaluator: _score_table(evaluator, [score for score in scores if score.evaluator == evaluator])
        for evaluator in dict.fromkeys(score.evaluator for score in scores)
    }


def _score_table(evaluator: str, scores: Sequence[Score]) -> ScoreTable:
    names = list(dict.fromkeys(score.name for score in scores))
    labels = {**SUBJECTS, **IMAGE_SUBJECTS} if OF_IMAGES & set(names) else SUBJECTS
    rows = []
    for subject in ordered(score.subject for score in scores):
        own = {score.name: score for score in scores if score.subject == subject}
        counts = sorted({score.n for score in own.values() if score.n is not None})
        cells = tuple(cell(own[name]) if name in own else None for name in names)
        rows.append((labels.get(subject, subject), cells, ", ".join(f"{n:,}" for n in counts)))
    directions = {score.name: score.higher_is_better for score in scores}
    arrows = {True: " ↑", False: " ↓", None: ""}
    columns = tuple(metric_label(name) + arrows[directions[name]] for name in names)
    notes = tuple(dict.fromkeys(f"{labels.get(s.subject, s.subject)}: {s.detail}" for s in scores if s.detail))
    return ScoreTable(evaluator, columns, tuple(rows), notes, labels[Subject.SYNTHETIC])


def cell(score: Score) -> Cell:
    """Return a score's value and interval as text."""
    interval = finite_interval(score)
    if is_few(score):
        return Cell(NOT_ENOUGH)
    return Cell(number(score.value, score.unit), f"{number(interval[0])} to {number(interval[1])}" if interval else "")


@dataclass(frozen=True)
class Confusion:
    """Decisions of one classifier at its threshold."""

    label: str
    threshold: str
    true_positive: int
    false_negative: int
    false_positive: int
    true_negative: int


def confusions(predictions: Mapping[str, Predictions]) -> list[Confusion]:
    """Return the confusion matrix of each subject, the run's own row first."""
    found = []
    for subject in ordered(predictions):
        judged = predictions[subject]
        counts = confusion(judged.probabilities, judged.labels, judged.threshold)
        found.append(
            Confusion(
                label=subject_label(subject),
                threshold=f"{judged.threshold:.3g}",
                true_positive=round(float(counts.true_positive)),
                false_negative=round(float(counts.false_negative)),
                false_positive=round(float(counts.false_positive)),
                true_negative=round(float(counts.true_negative)),
            )
        )
    return found


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested values as (dotted name, text) pairs."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs += flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            pairs.append((f"{prefix}{key}", ", ".join(_item(item) for item in value)))
        else:
            pairs.append((f"{prefix}{key}", "" if value is None else str(value)))
    return pairs


def _item(value: object) -> str:
    """Return an item of a list as text; of one with named parts the parts without their names."""
    return " ".join(_item(part) for part in value.values()) if isinstance(value, Mapping) else str(value)
