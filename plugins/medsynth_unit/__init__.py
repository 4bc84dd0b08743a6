"""Generator: UNIT."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import Assumptions, GeneratorSpec, TranslatorConfig, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class UnitConfig(TranslatorConfig):
    """Options of the generator unit. A loss weight of 0 switches the term and its computation off."""

    blocks: int = option(4, "residual blocks of each encoder and of each decoder", low=1)
    levels: int = option(2, "times encoders halve an image, and decoders double it; 2 as published", low=1, high=4)
    shared: bool = option(
        False, "tie the last block of the encoders and the first of the decoders, as in the paper of 2017"
    )
    discriminator_levels: int = option(4, "halving layers of each discriminator", low=1, high=5)
    discriminator_scales: int = option(3, "sizes at which discriminators judge an image", low=1, high=4)
    reconstruction_weight: float = option(10.0, "weight of the reconstruction terms, L1", low=0.0)
    kl_weight: float = option(0.01, "weight of the latents' distance from their prior", low=0.0)
    cycle_weight: float = option(10.0, "weight of the cycle terms, L1", low=0.0)
    recoded_weight: float = option(0.01, "weight of the translations' latents' distance from their prior", low=0.0)
    weight_decay: float = option(1e-4, "Adam's L2 penalty of all weights", low=0.0)
    reuse_translations: bool = option(
        False, "discriminators learn from the translations that generators are trained on, not from fresh ones; faster"
    )


@hookimpl
def medsynth_generator() -> GeneratorSpec:
    """Declare the generator."""
    return GeneratorSpec(
        name="unit",
        summary="Two variational auto-encoders whose latents are exchanged.",
        config=UnitConfig,
        factory="medsynth_unit.model:Unit",
        reference="Liu et al., Unsupervised image-to-image translation networks, 2017",
        presets={
            "quick": {
                "width": 16,
                "blocks": 2,
                "levels": 1,
                "discriminator_width": 16,
                "cycle_weight": 5.0,
            },
            "standard": {"width": 32, "discriminator_width": 32},
            "paper": {"width": 64, "blocks": 4},
            "published": {"learning_rate": 1e-4, "batch_size": 1, "schedule": "step"},
        },
        assumptions=Assumptions(min_size=64),
    )
