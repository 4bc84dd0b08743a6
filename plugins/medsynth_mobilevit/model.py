"""Training of MobileViT."""

from __future__ import annotations

from medsynth.api import Setup
from medsynth.supervised.classifier import SupervisedClassifier, network_of

from . import MobileViTConfig
from .network import HALVINGS, MobileViT


class MobileViTClassifier(SupervisedClassifier):
    """The network and its two phases.

    Args:
        config: options.
        setup: channels, classes and device.
    """

    def __init__(self, config: MobileViTConfig, setup: Setup) -> None:
        super().__init__(network_of(MobileViT, config, setup, published=HALVINGS), config, setup)
