"""Evaluator: whether synthetic images give away the training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medsynth.api import EvaluatorConfig, EvaluatorSpec, Result, RunInfo, Section, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class PrivacyConfig(EvaluatorConfig):
    """Options of the evaluator privacy."""

    extractor: str = option("efficientnet-lite0", "feature extractor plugin; scores of different ones do not compare")
    batch_size: int = option(8, "images sent through the extractor at once; changes scores by rounding only", low=1)
    closeness: float = option(
        0.5,
        "distance ratio, relative to that of held-out images, below which a synthetic image counts as memorized",
        low=0.0,
        high=1.0,
    )
    shown: int = option(8, "pairs of a synthetic and a training image in the report, the most similar first", low=0)
    resamples: int = option(2000, "patient-level bootstrap resamples behind each interval", low=100)
    confidence: float = option(0.95, "share of the intervals", low=0.5, high=0.999)


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="privacy",
        summary="Copies of training images among synthetic ones, distance ratio, membership-inference AUC.",
        config=PrivacyConfig,
        factory="medsynth_privacy.model:Privacy",
        reference="Meehan et al., A non-parametric test to detect data-copying in generative models, 2020",
    )


@hookimpl
def medsynth_report_sections(run: RunInfo, result: Result) -> Sequence[Section]:
    """Show the pairs that the evaluator wrote, if this run asked for it."""
    path = Path(result.report).parent / "evaluation" / "privacy" / "pairs.html"
    if "privacy" not in run.plan["evaluators"] or not path.exists():
        return []
    return [Section(title="Synthetic images and the training images nearest to them", html=path.read_text("utf-8"))]
