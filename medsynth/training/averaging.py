"""Exponential moving averages of weights, which translate more steadily than the last step's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class Averages:
    """Averages of several networks' weights over the steps of a training; buffers are copied.

    After step n an average moves towards the weights by 1 - min(decay, (1 + n) / (10 + n)), so that the first steps,
    with their random weights, are soon forgotten.

    Args:
        networks: by name; their copies are made here.
        decay: in (0, 1); 0.999 averages over about the last thousand steps.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        def move(averages: Sequence[Tensor], weights: Sequence[Tensor], steps: Tensor | int) -> None:
            share = 1.0 - min(decay, (1.0 + int(steps)) / (10.0 + int(steps)))
            torch._foreach_lerp_(list(averages), list(weights), share)

        self.networks = networks
        self.averages = {name: AveragedModel(network, multi_avg_fn=move) for name, network in networks.items()}

    def update(self) -> None:
        """Take in the weights after a step."""
        for name, network in self.networks.items():
            self.averages[name].update_parameters(network)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Let the networks have the averaged weights while the block runs."""
        trained = {
            name: {key: value.clone() for key, value in network.state_dict().items()}
            for name, network in self.networks.items()
        }
        self.keep()
        try:
            yield
        finally:
            for name, network in self.networks.items():
                network.load_state_dict(trained[name])

    def keep(self) -> None:
        """Give the networks the averaged weights for good."""
        for name, network in self.networks.items():
            network.load_state_dict(self.averages[name].module.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return the averages by network."""
        return {name: average.state_dict() for name, average in self.averages.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name, average in self.averages.items():
            average.load_state_dict(state[name])
