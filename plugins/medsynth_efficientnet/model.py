"""Training of EfficientNet."""

from __future__ import annotations

from medsynth.api import Setup
from medsynth.networks.mobile import halvings_for
from medsynth.supervised.classifier import SupervisedClassifier

from . import EfficientNetConfig
from .network import EfficientNet, published_halvings


class EfficientNetClassifier(SupervisedClassifier):
    """The network and its two phases.

    Args:
        config: options.
        setup: channels, classes and device.
    """

    def __init__(self, config: EfficientNetConfig, setup: Setup) -> None:
        network = EfficientNet(
            channels=setup.channels,
            classes=setup.classes,
            width=config.width,
            depth=config.depth,
            stages=config.stages,
            last=config.last,
            hidden=config.hidden,
            dropout=config.dropout,
            drop_path=config.drop_path,
            halvings=config.halvings or halvings_for(min(setup.size), published_halvings(config.stages)),
        )
        super().__init__(network, config, setup)
