"""Options of classifiers that train one network with cross-entropy. Imports nothing heavy."""

from __future__ import annotations

import dataclasses

from medsynth.api import ClassifierConfig, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupervisedConfig(ClassifierConfig):
    """Options of every classifier that `medsynth.supervised.classifier.SupervisedClassifier` trains."""

    label_smoothing: float = option(
        0.0, "share of each target that is spread evenly over the classes", low=0.0, high=0.5
    )
    weights: str = option(
        "", "local file of weights to start from (.safetensors, or a torch file of tensors only); empty = random ones"
    )
