"""Evaluator: what the classifiers would mean in screening."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import EvaluatorConfig, EvaluatorSpec, hookimpl, option
from medsynth.base.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ScreeningConfig(EvaluatorConfig):
    """Options of the evaluator screening."""

    prevalences: tuple[float, ...] = option(
        (0.0002, 0.01, 0.09, 0.308, 0.40),
        "shares of diseased persons, from a general population to a clinic for symptomatic patients",
    )
    resamples: int = option(10_000, "bootstrap resamples of the patients", low=100)
    confidence: float = option(0.95, "share of the interval", low=0.5, high=0.999)

    def __post_init__(self) -> None:
        for prevalence in self.prevalences:
            if not 0.0 < prevalence < 1.0:
                raise InputError(
                    f"evaluators.screening.prevalences has {prevalence:g}, which is no share between 0 and 1",
                    hint="Write 0.09 for 9 %, and a comma between several.",
                )


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="screening",
        summary="Likelihood ratios, predictive values and persons to screen for one case found, by prevalence.",
        config=ScreeningConfig,
        factory="medsynth_screening.model:ScreeningByPrevalence",
        reference="Glas et al., The diagnostic odds ratio: a single indicator of test performance, 2003",
    )
