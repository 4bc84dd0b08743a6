"""Evaluator: how well the classifiers decide on real test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medsynth.api import EvaluatorConfig, EvaluatorSpec, Result, RunInfo, Section, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class DiagnosticConfig(EvaluatorConfig):
    """Options of the evaluator diagnostic."""

    resamples: int = option(10_000, "bootstrap resamples of the patients", low=100)
    confidence: float = option(0.95, "share of the interval", low=0.5, high=0.999)
    interval: Literal["percentile", "bca"] = option(
        "percentile",
        "how an interval is made of the resamples; bca corrects for bias and skewness",
        choices=("percentile", "bca"),
    )
    group_minimum: int = option(
        5, "images of either class that a group of a manifest column needs to be scored; 0 = no groups", low=0
    )


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="diagnostic",
        summary="Metrics of decisions and probabilities with patient-level bootstrap intervals, also by group.",
        config=DiagnosticConfig,
        factory="medsynth_diagnostic.model:Diagnostic",
        reference="Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 14",
    )


@hookimpl
def medsynth_report_sections(run: RunInfo, result: Result) -> Sequence[Section]:
    """Add comparisons of the classifiers with each other, and their decision curves."""
    from medsynth_diagnostic.sections import sections  # NumPy and Matplotlib would slow down listing plugins

    return sections(result, seed=run.seed)
