"""Training of MobileViT."""

from __future__ import annotations

from medsynth.api import Setup
from medsynth.networks.mobile import halvings_for
from medsynth.supervised.classifier import SupervisedClassifier

from . import MobileViTConfig
from .network import HALVINGS, MobileViT


class MobileViTClassifier(SupervisedClassifier):
    """The network and its two phases.

    Args:
        config: options.
        setup: channels, classes and device.
    """

    def __init__(self, config: MobileViTConfig, setup: Setup) -> None:
        network = MobileViT(
            channels=setup.channels,
            classes=setup.classes,
            variant=config.variant,
            width=config.width,
            token_width=config.token_width,
            expansion=config.expansion,
            heads=config.heads,
            dropout=config.dropout,
            halvings=config.halvings or halvings_for(min(setup.size), HALVINGS),
        )
        super().__init__(network, config, setup)
