"""What every classifier does to images, targets and weights while it trains."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.api import Stateful
from medsynth.supervised.config import SupervisedConfig
from medsynth.supervised.ultrasound import ultrasound_artifacts
from medsynth.supervised.weights import HEAD, load_weights
from medsynth.training.averaging import Averages


class Recipe:
    """The options of `SupervisedConfig`, applied.

    Args:
        config: options.
        network: is trained, and starts from ``config.weights``; already on its device.
        head: start of the names of the weights that belong to the classes (see `load_weights`).

    Raises:
        InputError: ``config.weights`` cannot be read or does not fit.
    """

    def __init__(self, config: SupervisedConfig, network: nn.Module, *, head: str = HEAD) -> None:
        self.config = config
        if config.weights:
            load_weights(network, config.weights, head=head)
        self._network = network
        self._averages = Averages({"network": network}, config.ema_decay) if config.ema_decay else None

    @property
    def exported(self) -> nn.Module:
        """The network to validate and export: the averaged one, where there is one, else the trained one."""
        if self._averages is None:
            return self._network
        average: nn.Module = self._averages.averages["network"].module
        return average

    @property
    def state(self) -> Mapping[str, Stateful]:
        """What a phase has to save beside the trained network."""
        return {} if self._averages is None else {"averages": self._averages}

    def images(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return a batch's images with random artifacts, (B, C, H, W) in [-1, 1]."""
        config = self.config
        return ultrasound_artifacts(
            batch["image"], speckle=config.speckle, shadow=config.shadow, depth_gain=config.depth_gain
        )

    def classification(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy with smoothed labels; logits (B, classes), labels (B,)."""
        return F.cross_entropy(logits, labels, label_smoothing=self.config.label_smoothing)

    def stepped(self) -> None:
        """Take in the weights; call after each step of the optimizer."""
        if self._averages is not None:
            self._averages.update()
