"""Training of `example-copy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medsynth.api import Phase, Setup
from medsynth_example_copy import CopyConfig
from medsynth_example_copy.network import Memory


class Copy:
    """Keeps the target images that it is shown."""

    def __init__(self, config: CopyConfig, setup: Setup) -> None:
        self.config = config
        self.memory = Memory(setup.channels, setup.size[0], config.memory).to(setup.device)
        self.optimizer = torch.optim.SGD(self.memory.parameters(), lr=0.0)

    def phases(self) -> Sequence[Phase]:
        """One phase on unpaired images."""
        config = self.config
        return [
            Phase(
                name="memorize",
                data="unpaired",
                epochs=config.epochs,
                epoch_steps=config.epoch_steps,
                batch_size=config.batch_size,
                step=self._step,
                state={"memory": self.memory},
                optimizers={"memory": self.optimizer},
            )
        ]

    def translate(self, images: Tensor) -> Tensor:
        """Return remembered images."""
        return self.memory(images)

    def networks(self) -> Mapping[str, nn.Module]:
        """The memory is all there is."""
        return {"memory": self.memory}

    def _step(self, engine: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        target = batch["target"]
        self.memory.images.copy_(torch.cat([target, self.memory.images])[: self.config.memory])
        return {"shown": target.mean()}
