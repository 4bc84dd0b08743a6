"""MobileNet-V2: inverted residuals and linear bottlenecks, the light convolutional baseline."""

from __future__ import annotations

import dataclasses

from medsynth.api import Assumptions, ClassifierSpec, hookimpl, option
from medsynth.supervised.config import SupervisedConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class MobileNetV2Config(SupervisedConfig):
    """Options of MobileNet-V2; the default is the variant of the paper's comparison."""

    width: float = option(0.56, "multiplies all channel counts but the last, rounded to multiples of 8", low=0.05)
    hidden: int = option(128, "units of the layer before the logits; 0 = none, as published", low=0)
    dropout: float = option(0.2, "share of pooled features dropped in training", low=0.0, high=0.9)


@hookimpl
def medsynth_classifier() -> ClassifierSpec:
    """Declare the classifier."""
    return ClassifierSpec(
        name="mobilenet-v2",
        summary="MobileNet-V2, the light convolutional baseline.",
        config=MobileNetV2Config,
        factory="medsynth_mobilenet_v2.model:MobileNetV2Classifier",
        reference="Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018",
        presets={
            "quick": {"hidden": 0, "dropout": 0.0, "learning_rate": 5e-3},
            "standard": {},
            "paper": {"width": 0.56},
        },
        assumptions=Assumptions(min_size=32),
        scalable={"width": [round(0.01 * step, 2) for step in range(10, 201)], "hidden": [0, 64, 128]},
    )
