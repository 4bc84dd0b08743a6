"""EfficientNet: inverted residuals with squeeze-excitation, scaled in width and depth."""

from __future__ import annotations

import dataclasses

from medsynth.api import Assumptions, ClassifierSpec, hookimpl, option
from medsynth.supervised.config import SupervisedConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class EfficientNetConfig(SupervisedConfig):
    """Options of EfficientNet; the default is the LSNet paper's variant, as far as it can be known."""

    width: float = option(0.89, "multiplies all channel counts, rounded to multiples of 8; B0 = 1", low=0.05)
    depth: float = option(1.6, "multiplies the blocks of each stage, rounded up; B0 = 1", low=0.1)
    stages: int = option(3, "how many of the seven stages there are", low=1, high=7)
    last: int = option(320, "channels of the last convolution; 0 = 1280 * width, as published", low=0)
    hidden: int = option(128, "units of the layer before the logits; 0 = none, as published", low=0)
    dropout: float = option(0.2, "share of pooled features dropped in training", low=0.0, high=0.9)
    drop_path: float = option(
        0.2, "probability of skipping the deepest block in training; it rises linearly from 0", low=0.0, high=0.9
    )


@hookimpl
def medsynth_classifier() -> ClassifierSpec:
    """Declare the classifier."""
    return ClassifierSpec(
        name="efficientnet",
        summary="EfficientNet, whole or cut after any stage; the default is cut after the third.",
        config=EfficientNetConfig,
        factory="medsynth_efficientnet.model:EfficientNetClassifier",
        reference="Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019",
        presets={
            "quick": {"width": 0.5, "depth": 1.0, "last": 160, "drop_path": 0.0},
            "standard": {},
            "paper": {"width": 0.89, "depth": 1.6, "stages": 3, "last": 320, "hidden": 128},
            "b0": {"width": 1.0, "depth": 1.0, "stages": 7, "last": 0, "hidden": 0},
        },
        assumptions=Assumptions(min_size=32),
        scalable={
            "width": [round(0.05 * step, 2) for step in range(3, 41)],
            "depth": [round(0.2 * step, 1) for step in range(2, 11)],
            "stages": [3, 4, 5, 6, 7],
        },
    )
