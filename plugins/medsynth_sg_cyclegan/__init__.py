"""Generator: SG-CycleGAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from medsynth.api import Assumptions, GeneratorSpec, TranslatorConfig, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class SgCycleGanConfig(TranslatorConfig):
    """Options of the generator sg-cyclegan. A loss weight of 0 switches the term and its computation off."""

    features: int = option(32, "channels of the shared extractor's feature maps", low=1)
    extractor_levels: int = option(2, "times the shared extractor halves the size", low=0, high=5)
    branch_levels: int = option(2, "times a branch halves the size", low=0, high=5)
    blocks: int = option(7, "residual blocks of each branch", low=0)
    dilation: int = option(1, "distance of the pixels that convolutions of residual blocks see", low=1, high=4)
    upsampling: Literal["transposed", "nearest", "bilinear"] = option(
        "nearest",
        "how networks double the size; nearest and bilinear leave no checkerboard",
        choices=("transposed", "nearest", "bilinear"),
    )
    sampling_kernel: int = option(3, "side of the convolutions that halve and double the size", choices=(3, 5))
    skips: bool = option(
        False, "add features of each size around the smaller ones, so that thin lines stay sharp (LinkNet)"
    )
    region_convolution: bool = option(False, "dynamic region convolution in front of the residual blocks")
    discriminator_levels: int = option(
        3, "strided layers of the discriminators; 3 judges patches of 70 pixels, 2 of 34", low=1, high=5
    )
    discriminator_narrowing: bool = option(False, "one more layer in the discriminators, as in the published code")
    discriminator_average: bool = option(
        False, "judge the image's mean instead of each patch, as in the published code"
    )
    classifier_width: int = option(64, "channels of the domain classifier's first layer", low=1)
    cycle_weight: float = option(10.0, "weight of the cycle terms, L1", low=0.0)
    feature_weight: float = option(
        1.0, "weight of the feature consistency terms, L1; that of features that are not normalized: 10", low=0.0
    )
    identity_weight: float = option(5.0, "weight of the identity terms, L1", low=0.0)
    domain_weight: float = option(5.0, "weight of the domain classifier's loss behind gradient reversal", low=0.0)
    reversal_rate: float = option(5.0, "gamma of the reversal schedule 2 / (1 + exp(-gamma * progress)) - 1", low=0.0)
    normalized: bool = option(
        True, "normalize every feature map, so that feature consistency cannot be met by features that vanish"
    )
    detach_features: bool = option(False, "take no gradient through the features of real images in the feature terms")
    pool_size: int = option(50, "earlier images kept per domain for the discriminators; 0 = none", low=0)
    order: Literal["generators-first", "discriminators-first"] = option(
        "generators-first",
        "which side of a step is updated first; the paper: discriminators",
        choices=("generators-first", "discriminators-first"),
    )
    stretch: bool = option(False, "stretch each translated image from its 1st and 99th percentile to the full range")


_PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "width": 16,
        "features": 8,
        "extractor_levels": 1,
        "branch_levels": 2,
        "blocks": 2,
        "pool_size": 0,
        "discriminator_width": 16,
        "classifier_width": 16,
        "skips": True,
        "cycle_weight": 3.0,
        "identity_weight": 5.0,
    },
    "standard": {"width": 32, "features": 16, "blocks": 6, "discriminator_width": 32, "classifier_width": 32},
    "paper": {
        "width": 64,
        "features": 32,
        "extractor_levels": 3,
        "branch_levels": 4,
        "blocks": 7,
        "region_convolution": True,
        "order": "discriminators-first",
        "normalized": False,
        "feature_weight": 10.0,
    },
    "released": {
        "extractor_levels": 3,
        "branch_levels": 3,
        "upsampling": "transposed",
        "sampling_kernel": 5,
        "region_convolution": True,
        "discriminator_narrowing": True,
        "discriminator_average": True,
        "normalized": False,
        "feature_weight": 5.0,
    },
}


@hookimpl
def medsynth_generator() -> GeneratorSpec:
    """Declare the generator."""
    return GeneratorSpec(
        name="sg-cyclegan",
        summary="CycleGAN whose two directions share a feature extractor that must not tell the domains apart.",
        config=SgCycleGanConfig,
        factory="medsynth_sg_cyclegan.model:SgCycleGan",
        reference="Efficient endometrial carcinoma screening via cross-modal synthesis and gradient distillation, 2026",
        presets=_PRESETS,
        assumptions=Assumptions(min_size=32),
    )
