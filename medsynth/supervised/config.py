"""Options of training that classifiers share. Imports nothing heavy."""

from __future__ import annotations

import dataclasses

from medsynth.api import ClassifierConfig, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupervisedConfig(ClassifierConfig):
    """Options of every classifier that trains by `medsynth.supervised.recipe.Recipe`."""

    label_smoothing: float = option(
        0.0, "share of each target that is spread evenly over the classes", low=0.0, high=0.5
    )
    ema_decay: float = option(
        0.0, "decay per step of the averaged weights that classify; 0 = the trained weights", low=0.0, high=0.99999
    )
    speckle: float = option(0.0, "largest relative strength of random speckle; 0 = none", low=0.0, high=1.0)
    shadow: float = option(
        0.0, "largest share of the signal lost in random acoustic shadows; 0 = none", low=0.0, high=1.0
    )
    depth_gain: float = option(
        0.0, "largest random change of gain from the middle to top and bottom, as exponent of e", low=0.0, high=2.0
    )
    halvings: int = option(
        0, "how often the network halves an image; 0 = as published, or so that 8 x 8 places are left", low=0, high=5
    )
    weights: str = option(
        "", "local file of weights to start from (.safetensors, or a torch file of tensors only); empty = random ones"
    )
