"""Evaluator: whether translation keeps what the source image shows, and how near it comes to the true counterpart."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import EvaluatorConfig, EvaluatorSpec, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class StructureConfig(EvaluatorConfig):
    """Options of the evaluator structure."""

    resamples: int = option(2000, "patient-level bootstrap resamples behind each interval; 0 = no interval", low=0)
    confidence: float = option(0.95, "share of the intervals", low=0.5, high=0.999)
    bins: int = option(32, "gray levels of the histograms behind mutual information", low=2, high=256)


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="structure",
        summary="Edges and information kept; flicker; SSIM, MS-SSIM and PSNR to true counterparts; phantom's tissues.",
        config=StructureConfig,
        factory="medsynth_structure.model:Structure",
        reference="Wang et al., Image quality assessment: from error visibility to structural similarity, 2004",
    )
