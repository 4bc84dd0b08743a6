"""MobileViT: inverted residuals and attention across patches, the light transformer baseline."""

from __future__ import annotations

import dataclasses
from typing import Literal

from medsynth.api import Assumptions, ClassifierSpec, hookimpl, option
from medsynth.supervised.config import SupervisedConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class MobileViTConfig(SupervisedConfig):
    """Options of MobileViT; the default is the LSNet paper's variant, as far as it can be known."""

    variant: Literal["compact", "xxs", "xs", "s"] = option(
        "compact",
        "widths to start from: that of the comparison, or a published one",
        choices=("compact", "xxs", "xs", "s"),
    )
    width: float = option(1.0, "multiplies the variant's channel counts, rounded to multiples of 8", low=0.05)
    token_width: float = option(1.0, "multiplies the variant's token widths, rounded to multiples of 8", low=0.05)
    expansion: int = option(0, "hidden width of inverted residuals relative to their input; 0 = the variant's", low=0)
    heads: int = option(4, "attention heads; 8 must be a multiple of it", choices=(1, 2, 4, 8))
    dropout: float = option(0.1, "share dropped in training in attention layers and after pooling", low=0.0, high=0.9)


@hookimpl
def medsynth_classifier() -> ClassifierSpec:
    """Declare the classifier."""
    return ClassifierSpec(
        name="mobilevit",
        summary="MobileViT, the light transformer baseline.",
        config=MobileViTConfig,
        factory="medsynth_mobilevit.model:MobileViTClassifier",
        reference="Mehta and Rastegari, MobileViT: Light-weight, General-purpose, and Mobile-friendly Vision "
        "Transformer, ICLR 2022",
        presets={
            "quick": {"width": 0.75, "expansion": 2},
            "standard": {},
            "paper": {"variant": "compact"},
            "xxs": {"variant": "xxs"},
        },
        assumptions=Assumptions(min_size=32),
        scalable={
            "variant": ["compact", "xxs"],
            "width": [round(0.125 * step, 3) for step in range(2, 25)],
            "token_width": [round(0.125 * step, 3) for step in range(2, 25)],
            "expansion": [1, 2, 4],
        },
    )
