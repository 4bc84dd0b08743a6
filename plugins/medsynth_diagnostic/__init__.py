"""Evaluator: how well the classifiers decide on real test images."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import EvaluatorConfig, EvaluatorSpec, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class DiagnosticConfig(EvaluatorConfig):
    """Options of the evaluator diagnostic."""

    resamples: int = option(10_000, "bootstrap resamples of the patients", low=100)
    confidence: float = option(0.95, "share of the interval", low=0.5, high=0.999)


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="diagnostic",
        summary="Accuracy, sensitivity, specificity, precision, F1 and ROC AUC with patient-level bootstrap intervals.",
        config=DiagnosticConfig,
        factory="medsynth_diagnostic.model:Diagnostic",
        reference="Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13",
    )
