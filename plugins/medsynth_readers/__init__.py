"""Evaluator: how well readers decide on the same test images, beside the model, and tell synthetic from real ones."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import EvaluatorConfig, EvaluatorSpec, Subject, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class ReadersConfig(EvaluatorConfig):
    """Options of the evaluator readers."""

    path: str = option(
        "",
        "CSV of decisions, e.g. of `medsynth readers merge`: reader, case, decision, optional group and confidence; or "
        "'phantom', 'phantom-standard': simulated examples for the phantom at these presets, quick and standard",
    )
    subject: str = option(Subject.SYNTHETIC, "row of the run that readers are compared with")
    resamples: int = option(2000, "bootstrap resamples of patients, and of readers where several are pooled", low=100)
    confidence: float = option(0.95, "share of the interval", low=0.5, high=0.999)
    pairs: bool = option(False, "also a kappa for each pair of readers, not only each reader's mean")


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="readers",
        summary="Readers' decisions beside the model's, their agreement; real or synthetic: can they tell?",
        config=ReadersConfig,
        factory="medsynth_readers.model:Readers",
        reference="Fleiss, Measuring nominal scale agreement among many raters, 1971",
    )
