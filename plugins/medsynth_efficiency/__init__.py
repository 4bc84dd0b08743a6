"""Evaluator: what the exported networks cost."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import EvaluatorConfig, EvaluatorSpec, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class EfficiencyConfig(EvaluatorConfig):
    """Options of the evaluator efficiency."""

    warmup: int = option(3, "runs before the clock starts", low=0)
    runs: int = option(20, "timed runs; the median is reported", low=1)
    seconds: float = option(10.0, "no further timed run starts after this many seconds per network", low=0.0)


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="efficiency",
        summary="Parameters, multiply-accumulates, latency and peak memory of generator and classifier for one image.",
        config=EfficiencyConfig,
        factory="medsynth_efficiency.model:Efficiency",
    )
