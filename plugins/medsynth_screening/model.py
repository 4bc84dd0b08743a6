"""Consequences of screening by prevalence, with the uncertainty of sensitivity and specificity carried through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medsynth.api import Evidence, Predictions, Score
from medsynth.statistics import bootstrap_predictions, diagnostic_metrics, percentile_interval
from medsynth.statistics.scores.diagnostic import Floats
from medsynth.statistics.scores.likelihoods import consequences, likelihood_ratios, ratio_interval, score_name

if TYPE_CHECKING:
    from medsynth_screening import ScreeningConfig

SHARES = ("ppv", "npv", "screen_positive")
HIGHER_IS_BETTER = {"positive_likelihood_ratio": True, "diagnostic_odds_ratio": True, "ppv": True, "npv": True}
HIGHER_IS_BETTER |= {"negative_likelihood_ratio": False, "number_needed": False, "false_per_true": False}


class ScreeningByPrevalence:
    """Applies the formulas to each classifier's sensitivity and specificity, and to those of every resample.

    A resample of patients changes both rates together, so that the interval of a figure that depends on both is
    neither that of one of them nor the worst case of both.
    """

    def __init__(self, config: ScreeningConfig) -> None:
        self.config = config

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return likelihood ratios, and ``MEASURE_at_PREVALENCE``, per subject of ``evidence.predictions``."""
        return [
            score
            for subject, predictions in evidence.predictions.items()
            for score in self._judge(subject, predictions, evidence.seed)
        ]

    def _judge(self, subject: str, predictions: Predictions, seed: int) -> list[Score]:
        found = diagnostic_metrics(predictions.probabilities, predictions.labels, predictions.threshold)
        bootstrap = bootstrap_predictions(predictions, resamples=self.config.resamples, seed=seed)
        values = self._measures(np.array(found["sensitivity"]), np.array(found["specificity"]))
        resampled = self._measures(bootstrap.values["sensitivity"], bootstrap.values["specificity"])
        spread = bootstrap.patients > 1 and bootstrap.discarded < self.config.resamples
        return [
            self._score(subject, name, float(value), resampled[name] if spread else None, len(predictions.labels))
            for name, value in values.items()
        ]

    def _measures(self, sensitivity: Floats, specificity: Floats) -> dict[str, Floats]:
        """Return everything that is scored, by name."""
        found = likelihood_ratios(sensitivity, specificity)
        for prevalence in self.config.prevalences:
            at_prevalence = consequences(sensitivity, specificity, prevalence)
            found |= {score_name(measure, prevalence): value for measure, value in at_prevalence.items()}
        return found

    def _score(self, subject: str, name: str, value: float, resampled: Floats | None, n: int) -> Score:
        measure = name.partition("_at_")[0]
        low = high = None
        if resampled is not None:
            interval = percentile_interval if measure in SHARES else ratio_interval
            low, high = interval(resampled, self.config.confidence)
        return Score(
            evaluator="screening",
            name=name,
            subject=subject,
            value=value,
            low=low,
            high=high,
            n=n,
            higher_is_better=HIGHER_IS_BETTER.get(measure),
            detail=self._detail(measure, value, low, high),
        )

    def _detail(self, measure: str, value: float, low: float | None, high: float | None) -> str:
        text = "from sensitivity and specificity at the threshold chosen on validation images; "
        if low is None:
            return text + "no interval from a single patient or class"
        text += f"{100 * self.config.confidence:g} % interval from {self.config.resamples:,} resamples of patients"
        infinite = [name for name, end in (("value", value), ("lower end", low), ("upper end", high)) if end == np.inf]
        return text + (f"; {measure.replace('_', ' ')}: {' and '.join(infinite)} infinite" if infinite else "")
