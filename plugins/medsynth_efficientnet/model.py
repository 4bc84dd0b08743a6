"""Training of EfficientNet."""

from __future__ import annotations

from medsynth.api import Setup
from medsynth.supervised.classifier import SupervisedClassifier, network_of

from . import EfficientNetConfig
from .network import EfficientNet, published_halvings


class EfficientNetClassifier(SupervisedClassifier):
    """The network and its two phases.

    Args:
        config: options.
        setup: channels, classes and device.
    """

    def __init__(self, config: EfficientNetConfig, setup: Setup) -> None:
        super().__init__(
            network_of(EfficientNet, config, setup, published=published_halvings(config.stages)), config, setup
        )
