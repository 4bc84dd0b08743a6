"""Generator: MUNIT."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import Assumptions, GeneratorSpec, TranslatorConfig, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class MunitConfig(TranslatorConfig):
    """Options of the generator munit. A loss weight of 0 switches the term and its computation off."""

    blocks: int = option(4, "residual blocks of each content encoder and of each decoder", low=1)
    levels: int = option(
        2, "times content encoders halve an image, and decoders double it; 2 as published", low=1, high=4
    )
    style: int = option(8, "numbers in a style", low=1)
    style_hidden: int = option(256, "width of the layers between a style and the decoder's norms", low=1)
    discriminator_levels: int = option(4, "halving layers of each discriminator", low=1, high=5)
    discriminator_scales: int = option(3, "sizes at which discriminators judge an image", low=1, high=4)
    reconstruction_weight: float = option(10.0, "weight of the reconstruction terms, L1", low=0.0)
    style_weight: float = option(1.0, "weight of the style terms, L1", low=0.0)
    content_weight: float = option(1.0, "weight of the content terms, L1", low=0.0)
    cycle_weight: float = option(10.0, "weight of the style-augmented cycle terms, L1; 0 for large changes", low=0.0)
    weight_decay: float = option(1e-4, "Adam's L2 penalty of all weights", low=0.0)
    reuse_translations: bool = option(
        False, "discriminators learn from the translations that generators are trained on, not from fresh ones; faster"
    )


@hookimpl
def medsynth_generator() -> GeneratorSpec:
    """Declare the generator."""
    return GeneratorSpec(
        name="munit",
        summary="Splits images into content and style; one source image has many translations.",
        config=MunitConfig,
        factory="medsynth_munit.model:Munit",
        reference="Huang et al., Multimodal unsupervised image-to-image translation, 2018",
        presets={
            "quick": {
                "width": 16,
                "blocks": 2,
                "levels": 1,
                "style_hidden": 64,
                "discriminator_width": 16,
                "reconstruction_weight": 5.0,
                "style_weight": 0.1,
                "cycle_weight": 5.0,
            },
            "standard": {"width": 32, "style_hidden": 128, "discriminator_width": 32},
            "paper": {"width": 64, "blocks": 4, "style_hidden": 256},
            "published": {"learning_rate": 1e-4, "batch_size": 1, "schedule": "step"},
        },
        assumptions=Assumptions(min_size=64),
    )
