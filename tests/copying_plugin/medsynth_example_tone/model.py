"""Training of `example-tone`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medsynth.api import Phase, Setup
from medsynth_example_tone import ToneConfig
from medsynth_example_tone.network import ToneCurve


class Tone:
    """Matches mean and standard deviation of translated images to those of target images."""

    def __init__(self, config: ToneConfig, setup: Setup) -> None:
        self.config = config
        self.curve = ToneCurve(setup.channels, config.knots).to(setup.device)
        self.optimizer = torch.optim.Adam(self.curve.parameters(), lr=config.learning_rate)

    def phases(self) -> Sequence[Phase]:
        """One phase on unpaired images."""
        config = self.config
        return [
            Phase(
                name="match",
                data="unpaired",
                epochs=config.epochs,
                epoch_steps=config.epoch_steps,
                batch_size=config.batch_size,
                step=self._step,
                state={"curve": self.curve},
                optimizers={"curve": self.optimizer},
            )
        ]

    def translate(self, images: Tensor) -> Tensor:
        """Apply the curve."""
        return self.curve(images)

    def networks(self) -> Mapping[str, nn.Module]:
        """The curve is all there is."""
        return {"curve": self.curve}

    def _step(self, engine: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        translated, target = self.curve(batch["source"]), batch["target"]
        mean = (translated.mean() - target.mean()).square()
        spread = (translated.std() - target.std()).square()
        self.optimizer.zero_grad()
        (mean + spread).backward()
        self.optimizer.step()
        return {"mean": mean.detach(), "spread": spread.detach()}
