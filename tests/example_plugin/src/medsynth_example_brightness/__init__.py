"""The evaluator `example-brightness`."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import EvaluatorConfig, EvaluatorSpec, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class BrightnessConfig(EvaluatorConfig):
    """Fields of `example-brightness`."""

    scale: float = option(1.0, "factor applied to the difference", low=0.0)


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="example-brightness",
        summary="Difference of mean brightness between synthetic and real images.",
        config=BrightnessConfig,
        factory="medsynth_example_brightness.model:Brightness",
    )
