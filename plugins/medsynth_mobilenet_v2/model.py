"""Training of MobileNet-V2."""

from __future__ import annotations

from medsynth.api import Setup
from medsynth.networks.mobile import halvings_for
from medsynth.supervised.classifier import SupervisedClassifier

from . import MobileNetV2Config
from .network import HALVINGS, MobileNetV2


class MobileNetV2Classifier(SupervisedClassifier):
    """The network and its two phases.

    Args:
        config: options.
        setup: channels, classes and device.
    """

    def __init__(self, config: MobileNetV2Config, setup: Setup) -> None:
        network = MobileNetV2(
            channels=setup.channels,
            classes=setup.classes,
            width=config.width,
            hidden=config.hidden,
            dropout=config.dropout,
            halvings=config.halvings or halvings_for(min(setup.size), HALVINGS),
        )
        super().__init__(network, config, setup)
