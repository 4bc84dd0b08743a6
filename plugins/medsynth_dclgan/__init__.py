"""Generator: DCLGAN and, with its similarity terms, SimDCL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medsynth.api import Assumptions, GeneratorSpec, TranslatorConfig, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class DclGanConfig(TranslatorConfig):
    """Options of the generator dclgan. A loss weight of 0 switches the term and its computation off."""

    blocks: int = option(9, "residual blocks of each generator", low=0)
    levels: int = option(2, "times generators halve an image; 2 as published", low=1, high=4)
    upsampling: Literal["antialiased", "transposed", "nearest", "bilinear"] = option(
        "antialiased",
        "how generators double the size; antialiased also smooths where they halve it",
        choices=("antialiased", "transposed", "nearest", "bilinear"),
    )
    dropout: float = option(0.0, "probability of dropping values inside the residual blocks", low=0.0, high=0.9)
    taps: tuple[str, ...] = option(
        ("down_1", "down_2", "block_1", "block_5"),
        "layers whose features are compared: down_N is the Nth halving convolution before its norm, block_N the Nth "
        "residual block",
    )
    patches: int = option(256, "positions compared per tap and image; all where a map has fewer", low=1)
    temperature: float = option(0.07, "temperature of the contrast", low=1e-3)
    projection_width: int = option(256, "length of the projected feature vectors", low=1)
    projection_rate: float = option(1e-3, "Adam learning rate of the projection heads at the start", low=0.0)
    projection_momentum: float = option(
        0.9, "first beta of the projection heads' Adam; SimDCL takes 0.5", low=0.0, high=0.999
    )
    discriminator_levels: int = option(
        3, "halving layers of the discriminators; 3 judges patches of 70 pixels or more", low=1, high=5
    )
    discriminator_antialiased: bool = option(True, "smooth where the discriminators halve the size")
    adversarial_weight: float = option(1.0, "weight of the adversarial terms; 0 trains no discriminators", low=0.0)
    nce_weight: float = option(2.0, "weight of the patch-contrastive terms", low=0.0)
    identity_weight: float = option(1.0, "weight of the identity terms, L1", low=0.0)
    similarity_weight: float = option(0.0, "weight of SimDCL's similarity terms, L1; 10 there", low=0.0)


@hookimpl
def medsynth_generator() -> GeneratorSpec:
    """Declare the generator."""
    return GeneratorSpec(
        name="dclgan",
        summary="Two generators that keep each patch recognizable among all others of the image, in feature space.",
        config=DclGanConfig,
        factory="medsynth_dclgan.model:DclGan",
        reference="Han et al., Dual contrastive learning for unsupervised image-to-image translation, 2021",
        presets={
            "quick": {
                "width": 16,
                "blocks": 4,
                "levels": 1,
                "upsampling": "nearest",
                "taps": ["down_1", "block_1", "block_2", "block_3"],
                "projection_width": 64,
                "discriminator_width": 16,
                "adversarial_weight": 2.0,
                "nce_weight": 1.0,
                "identity_weight": 5.0,
                "discriminator_flood": 0.1,
            },
            "standard": {"width": 32, "blocks": 6, "discriminator_width": 32},
            "paper": {"width": 64, "blocks": 9},
            "simdcl": {
                "nce_weight": 1.0,
                "similarity_weight": 10.0,
                "projection_rate": 2e-4,
                "projection_momentum": 0.5,
            },
        },
        assumptions=Assumptions(min_size=24),
    )
