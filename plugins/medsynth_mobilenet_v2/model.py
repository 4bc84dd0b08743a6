"""Training of MobileNet-V2."""

from __future__ import annotations

from medsynth.api import Setup
from medsynth.supervised.classifier import SupervisedClassifier, network_of

from . import MobileNetV2Config
from .network import HALVINGS, MobileNetV2


class MobileNetV2Classifier(SupervisedClassifier):
    """The network and its two phases.

    Args:
        config: options.
        setup: channels, classes and device.
    """

    def __init__(self, config: MobileNetV2Config, setup: Setup) -> None:
        super().__init__(network_of(MobileNetV2, config, setup, published=HALVINGS), config, setup)
