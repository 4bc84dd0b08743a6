"""Generator: CycleGAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medsynth.api import Assumptions, GeneratorSpec, TranslatorConfig, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class CycleGanConfig(TranslatorConfig):
    """Options of the generator cyclegan. A loss weight of 0 switches the term and its computation off."""

    blocks: int = option(9, "residual blocks of each generator", low=0)
    levels: int = option(2, "times generators halve an image; 2 as published", low=1, high=4)
    upsampling: Literal["transposed", "nearest", "bilinear"] = option(
        "transposed",
        "how generators double the size; nearest and bilinear leave no checkerboard",
        choices=("transposed", "nearest", "bilinear"),
    )
    dropout: float = option(0.0, "probability of dropping values inside the residual blocks", low=0.0, high=0.9)
    skips: bool = option(
        False, "add features of each size around the smaller ones, so that thin lines stay sharp (LinkNet)"
    )
    discriminator_levels: int = option(
        3, "strided layers of the discriminators; 3 judges patches of 70 pixels, 0 single pixels", low=0, high=5
    )
    cycle_weight: float = option(10.0, "weight of the cycle terms, L1", low=0.0)
    identity_weight: float = option(0.5, "weight of the identity terms, L1, as a share of cycle_weight", low=0.0)
    pool_size: int = option(50, "earlier images kept per domain for the discriminators; 0 = none", low=0)


@hookimpl
def medsynth_generator() -> GeneratorSpec:
    """Declare the generator."""
    return GeneratorSpec(
        name="cyclegan",
        summary="Two residual generators and two patch discriminators, held together by cycle consistency.",
        config=CycleGanConfig,
        factory="medsynth_cyclegan.model:CycleGan",
        reference="Zhu et al., Unpaired image-to-image translation using cycle-consistent adversarial networks, 2017",
        presets={
            "quick": {
                "width": 16,
                "blocks": 4,
                "upsampling": "nearest",
                "discriminator_width": 16,
                "skips": True,
                "cycle_weight": 3.0,
                "identity_weight": 1.667,  # of the cycle's: 5, as SG-CycleGAN has it
            },
            "standard": {"width": 32, "blocks": 6, "upsampling": "nearest", "discriminator_width": 32},
            "paper": {"width": 64, "blocks": 9},
        },
        assumptions=Assumptions(min_size=24),
    )
