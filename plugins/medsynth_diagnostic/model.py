"""Diagnostic metrics of every classifier of a run, with intervals, of all test images and of groups of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from medsynth.api import Evidence, Predictions, Score
from medsynth.report.verdict import NOT_ENOUGH
from medsynth.statistics import FURTHER_METRICS, LESS_IS_BETTER, METRICS, Bootstrap, bootstrap_predictions
from medsynth_diagnostic.groups import Group, Grouping, counts, grouping

if TYPE_CHECKING:
    from medsynth_diagnostic import DiagnosticConfig

ALL_METRICS = (*METRICS, *FURTHER_METRICS)
FEWEST = 2
"""Patients of either class without which there is neither an interval nor an AUC worth its name."""
GROUP_METRICS = ("sensitivity", "specificity", "roc_auc")
"""Those that do not depend on the share of positive images, which differs from group to group."""


class Diagnostic:
    """Measures what each classifier said about the real test images, at its own validation threshold.

    All subjects are resampled with the same seed: on the same patients they see the same resamples.
    """

    def __init__(self, config: DiagnosticConfig) -> None:
        self.config = config

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return ten metrics and the threshold per subject of ``evidence.predictions``, and three metrics by group."""
        found = [
            score
            for subject, predictions in evidence.predictions.items()
            for score in (*self._judge(subject, predictions, evidence.seed), _threshold(subject, predictions))
        ]
        if not self.config.group_minimum:
            return found
        for predictions in list(evidence.predictions.values())[:1]:  # all subjects judge the same images
            for column, values in predictions.groups.items():
                groups = grouping(
                    column, values, predictions.labels, predictions.patients, minimum=self.config.group_minimum
                )
                found += self._by_group(groups, evidence) if groups else []
        return found

    def _by_group(self, groups: Grouping, evidence: Evidence) -> list[Score]:
        """Return the scores of each group and subject, and how many groups there are."""
        evaluator = f"diagnostic by {groups.column}"
        labels = next(iter(evidence.predictions.values())).labels
        found = [
            replace(score, evaluator=evaluator)
            for subject, predictions in evidence.predictions.items()
            for group in groups.kept
            for score in self._judge_group(f"{subject}, {group.name}", predictions, group, evidence.seed)
        ]
        number = Score(
            evaluator=evaluator,
            name="groups",
            subject="test images",
            value=float(len(groups.kept)),
            n=len(labels),
            detail=_left_out(groups, labels, self.config.group_minimum),
        )
        return [*found, number]

    def _judge_group(self, subject: str, predictions: Predictions, group: Group, seed: int) -> list[Score]:
        part = replace(
            predictions,
            probabilities=predictions.probabilities[group.rows],
            labels=predictions.labels[group.rows],
            patients=predictions.patients[group.rows],
        )
        scores = self._judge(subject, part, seed, GROUP_METRICS)
        against = "; positive images of this group against all negative ones" if group.all_negatives else ""
        return [replace(score, detail=score.detail + against) for score in scores]

    def _judge(
        self, subject: str, predictions: Predictions, seed: int, metrics: Sequence[str] = ALL_METRICS
    ) -> list[Score]:
        bootstrap = bootstrap_predictions(
            predictions,
            resamples=self.config.resamples,
            seed=seed,
            metrics=metrics,
            leave_one_out=self.config.interval == "bca",
        )
        few = _too_few(predictions)
        detail = few or self._detail(predictions, bootstrap)
        found = []
        for name in metrics:
            low, high, remark = (None, None, "") if few else self._interval(bootstrap, name)
            found.append(
                Score(
                    evaluator="diagnostic",
                    name=name,
                    subject=subject,
                    value=math.nan if few and name == "roc_auc" else bootstrap.estimates[name],
                    low=low,
                    high=high,
                    n=len(predictions.labels),
                    higher_is_better=name not in LESS_IS_BETTER,
                    detail=remark or detail,
                )
            )
        return found

    def _interval(self, bootstrap: Bootstrap, name: str) -> tuple[float | None, float | None, str]:
        """Return the interval, or nothing where one cannot be had, and why it is another one than asked for."""
        if bootstrap.discarded == self.config.resamples:
            return None, None, ""
        if name == "calibration_error":
            return None, None, "calibration error without interval: resamples repeat patients, which inflates it"
        low, high = bootstrap.interval(name, self.config.confidence, self.config.interval)
        if np.isfinite(low):
            return low, high, ""
        # The estimate lies outside all resamples, so that BCa is undefined.
        low, high = bootstrap.interval(name, self.config.confidence)
        return low, high, f"{name} with a percentile interval: all resamples lie on one side of it"

    def _detail(self, predictions: Predictions, bootstrap: Bootstrap) -> str:
        positive = predictions.labels == 1
        carriers = len(np.unique(predictions.patients[positive]))
        text = f"{int(positive.sum())} of {len(positive)} images positive; "
        text += f"{bootstrap.patients} patients, {carriers} with positive images"
        kind = "BCa interval" if self.config.interval == "bca" else "interval"
        text += f"; {100 * self.config.confidence:g} % {kind} from {self.config.resamples:,} resamples of patients"
        return text + (f", {bootstrap.discarded:,} without both classes left out" if bootstrap.discarded else "")


def _too_few(predictions: Predictions) -> str:
    """Say that resampling patients would show no spread: of one class there is a single patient, or none."""
    ill, well = (len(np.unique(predictions.patients[predictions.labels == label])) for label in (1, 0))
    if min(ill, well) >= FEWEST:
        return ""
    return f"{NOT_ENOUGH}: {ill} patients with positive and {well} with negative images, {FEWEST} of each are needed"


def _threshold(subject: str, predictions: Predictions) -> Score:
    return Score(
        evaluator="diagnostic",
        name="threshold",
        subject=subject,
        value=float(predictions.threshold),
        n=len(predictions.labels),
        detail="chosen on validation images; probability >= threshold is called positive",
    )


def _left_out(groups: Grouping, labels: np.ndarray, minimum: int) -> str:
    text = f"groups of the column {groups.column} with at least {minimum} images of either class"
    if not groups.left_out:
        return text
    few = [(group.name, *counts(group, labels)) for group in groups.left_out]
    return f"{text}; left out: " + ", ".join(f"{name} ({p} positive, {n} negative)" for name, p, n in few)
