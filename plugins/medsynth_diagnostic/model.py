"""Diagnostic metrics of every classifier of a run, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medsynth.api import Evidence, Predictions, Score
from medsynth.statistics import METRICS, Bootstrap, bootstrap_diagnostic, diagnostic_metrics

if TYPE_CHECKING:
    from medsynth_diagnostic import DiagnosticConfig


class Diagnostic:
    """Measures what each classifier said about the real test images, at its own validation threshold.

    All subjects are resampled with the same seed: on the same patients they see the same resamples.
    """

    def __init__(self, config: DiagnosticConfig) -> None:
        self.config = config

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return six metrics with interval, and the threshold, per subject of ``evidence.predictions``."""
        return [
            score
            for subject, predictions in evidence.predictions.items()
            for score in self._judge(subject, predictions, evidence.seed)
        ]

    def _judge(self, subject: str, predictions: Predictions, seed: int) -> list[Score]:
        values = diagnostic_metrics(predictions.probabilities, predictions.labels, predictions.threshold)
        bootstrap = bootstrap_diagnostic(
            predictions.probabilities,
            predictions.labels,
            predictions.patients,
            threshold=predictions.threshold,
            resamples=self.config.resamples,
            seed=seed,
        )
        detail = self._detail(predictions, bootstrap)
        found = []
        for name in METRICS:
            low, high = self._interval(bootstrap, name)
            found.append(
                Score(
                    evaluator="diagnostic",
                    name=name,
                    subject=subject,
                    value=values[name],
                    low=low,
                    high=high,
                    n=len(predictions.labels),
                    higher_is_better=True,
                    detail=detail,
                )
            )
        threshold = Score(
            evaluator="diagnostic",
            name="threshold",
            subject=subject,
            value=float(predictions.threshold),
            n=len(predictions.labels),
            detail="chosen on validation images; probability >= threshold is called positive",
        )
        return [*found, threshold]

    def _interval(self, bootstrap: Bootstrap, name: str) -> tuple[float | None, float | None]:
        """Return the interval, or nothing where one patient or one class cannot show any spread."""
        if bootstrap.patients < 2 or bootstrap.discarded == self.config.resamples:
            return None, None
        return bootstrap.interval(name, self.config.confidence)

    def _detail(self, predictions: Predictions, bootstrap: Bootstrap) -> str:
        positive = predictions.labels == 1
        carriers = len(np.unique(predictions.patients[positive]))
        text = f"{int(positive.sum())} of {len(positive)} images positive; "
        text += f"{bootstrap.patients} patients, {carriers} with positive images"
        if bootstrap.patients < 2:
            return f"{text}; no interval from a single patient"
        text += f"; {100 * self.config.confidence:g} % interval from {self.config.resamples:,} resamples of patients"
        return text + (f", {bootstrap.discarded:,} without both classes left out" if bootstrap.discarded else "")
