"""Evaluator: how far synthetic images are from real ones, and how much of their variety they cover."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import EvaluatorConfig, EvaluatorSpec, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class ImageQualityConfig(EvaluatorConfig):
    """Options of the evaluator image-quality."""

    extractor: str = option("efficientnet-lite0", "feature extractor plugin; scores of different ones do not compare")
    batch_size: int = option(8, "images sent through the extractor at once; changes scores by rounding only", low=1)
    images: int = option(
        0, "at most so many real test and as many source images, spread evenly over each set; 0 = all", low=0
    )
    subsets: int = option(100, "random halves of the patients behind the interval of KID; 0 = no interval", low=0)
    confidence: float = option(0.95, "share of the intervals", low=0.5, high=0.999)
    neighbors: int = option(5, "neighbor that the balls of precision, recall, density and coverage reach to", low=1)
    resamples: int = option(2000, "patient-level bootstrap resamples behind their intervals; 0 = no interval", low=0)
    mifid: bool = option(True, "also MIFID, for which all training images go through the extractor")
    memorization: float = option(
        0.0, "cosine distance to training images below which MIFID punishes; 0 = half that of held-out images", low=0.0
    )
    extrapolate: int = option(
        0, "subsets from which FID is extrapolated to infinitely many images; 0 = it is not", low=0
    )


@hookimpl
def medsynth_evaluator() -> EvaluatorSpec:
    """Declare the evaluator."""
    return EvaluatorSpec(
        name="image-quality",
        summary="FID, KID, MIFID, precision, recall, density and coverage of synthetic images, source and floor.",
        config=ImageQualityConfig,
        factory="medsynth_image_quality.model:ImageQuality",
        reference="Heusel et al., GANs trained by a two time-scale update rule, 2017; "
        "Binkowski et al., Demystifying MMD GANs, 2018; "
        "Naeem et al., Reliable fidelity and diversity metrics for generative models, 2020",
        # Minutes are all that the preset may take: no pass over all training images, and of the many test images that
        # tell classifiers apart only as many as there are translations.
        presets={"quick": {"mifid": False, "images": 120, "batch_size": 4}},
    )
