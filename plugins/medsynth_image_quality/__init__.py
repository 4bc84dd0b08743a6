"""Evaluator: how far synthetic images are from real ones, by FID and KID."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import EvaluatorConfig, EvaluatorSpec, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class ImageQualityConfig(EvaluatorConfig):
    """Options of the evaluator image-quality."""

    extractor: str = option("efficientnet-lite0", "feature extractor plugin; scores of different ones do not compare")
    batch_size: int = option(8, "images sent through the extractor at once; changes scores by rounding only", low=1)
    subsets: int = option(100, "random halves of the patients behind the interval of KID; 0 = no interval", low=0)
    confidence: float = option(0.95, "share of the interval of KID", low=0.5, high=0.999)


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="image-quality",
        summary="FID and KID of synthetic images, of untranslated source images, and of real against real images.",
        config=ImageQualityConfig,
        factory="medsynth_image_quality.model:ImageQuality",
        reference="Heusel et al., GANs trained by a two time-scale update rule, 2017; "
        "Binkowski et al., Demystifying MMD GANs, 2018",
    )
