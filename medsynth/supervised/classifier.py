"""Training of one network: cross-entropy on real and synthetic images, then on real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from medsynth.api import Phase, Setup, Step
from medsynth.base.configuration import options_for
from medsynth.networks.mobile import halvings_for
from medsynth.supervised.config import SupervisedConfig
from medsynth.supervised.recipe import Recipe

if TYPE_CHECKING:
    from ignite.engine import Engine


Network = TypeVar("Network", bound=nn.Module)


def halvings(config: SupervisedConfig, setup: Setup, published: int) -> int:
    """Return how often a network halves an image: as asked for, else as `halvings_for` says."""
    return config.halvings or halvings_for(min(setup.size), published)


def network_of(kind: type[Network], config: SupervisedConfig, setup: Setup, *, published: int) -> Network:
    """Return a network whose arguments are `channels`, `classes`, `halvings` and the options of the same names.

    Args:
        kind: its class.
        config: options.
        setup: of the core.
        published: how often the network halves images as it was published.
    """
    own = options_for(config, kind) | {"halvings": halvings(config, setup, published)}
    return kind(channels=setup.channels, classes=setup.classes, **own)


class SupervisedClassifier:
    """A network and its two phases; a plugin's factory subclasses it and builds the network.

    Args:
        network: maps (B, C, H, W) images to (B, classes) logits. Its last layers are the attribute ``head``, which
            alone may differ in shape from those of ``config.weights``.
        config: options.
        setup: of the core.

    Raises:
        InputError: ``config.weights`` cannot be read or does not fit.

    Examples:
        >>> class MyClassifier(SupervisedClassifier):
        ...     def __init__(self, config: MyConfig, setup: Setup) -> None:
        ...         super().__init__(MyNetwork(channels=setup.channels, classes=setup.classes), config, setup)
    """

    def __init__(self, network: nn.Module, config: SupervisedConfig, setup: Setup) -> None:
        self.config = config
        self.network = network.to(setup.device)
        self.recipe = Recipe(config, self.network)

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the network that classifies, with averaged weights if asked for."""
        return {"network": self.recipe.exported}

    def phases(self) -> Sequence[Phase]:
        """Return pre-training and fine-tuning; a phase without epochs is left out."""
        config = self.config
        phases = [
            self._phase("pretrain", "mixed", config.pretrain_epochs, 1.0),
            self._phase("finetune", "real", config.finetune_epochs, config.finetune_factor),
        ]
        return [phase for phase in phases if phase.epochs]

    def _phase(self, name: str, data: Literal["mixed", "real"], epochs: int, factor: float) -> Phase:
        optimizer = self._adamw(factor)
        return Phase(
            name=name,
            data=data,
            epochs=epochs,
            epoch_steps=self.config.epoch_steps,
            batch_size=self.config.batch_size,
            step=self._step(optimizer),
            state={"network": self.network, **self.recipe.state},
            optimizers={"network": optimizer},
        )

    def _step(self, optimizer: torch.optim.Optimizer) -> Step:
        def step(engine: Engine, batch: Mapping[str, Tensor]) -> Mapping[str, Any]:
            del engine
            loss = self.recipe.classification(self.network(self.recipe.images(batch)), batch["label"])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            self.recipe.stepped()
            return {"classification": loss.detach()}

        return step

    def _adamw(self, factor: float) -> torch.optim.AdamW:
        """Build an optimizer that spares norms and biases (all vectors) from weight decay."""
        parameters = list(self.network.parameters())
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.learning_rate * factor, fused=True)
