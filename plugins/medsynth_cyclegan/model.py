"""Training of CycleGAN (Zhu et al. 2017). a = source, b = target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medsynth.adversarial.initialization import initialize_normal
from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.unpaired import Forward, UnpairedGenerator
from medsynth.api import Setup
from medsynth.base.configuration import options_for
from medsynth.base.errors import InputError
from medsynth.networks.patchgan import PatchGan, PixelGan
from medsynth_cyclegan import CycleGanConfig
from medsynth_cyclegan.network import CycleGanGenerator


class CycleGan(UnpairedGenerator):
    """Two generators, each the other's inverse, against two discriminators.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.
        target_channels: channels of target images where they differ from the source's; needs identity_weight 0.

    Raises:
        InputError: for identity terms between images of different channel counts.
    """

    config: CycleGanConfig

    def __init__(self, config: CycleGanConfig, setup: Setup, *, target_channels: int | None = None) -> None:
        self.config = config
        channels_a, channels_b = setup.channels, target_channels or setup.channels
        if config.identity_weight and channels_a != channels_b:
            raise InputError(
                f"cyclegan: identity_weight = {config.identity_weight} compares source images of {channels_a} channels "
                f"with target images of {channels_b}",
                hint="Use --set generator.identity_weight=0 or give both domains the same channels.",
            )
        self.generator_ab = self._generator(channels_a, channels_b)
        self.generator_ba = self._generator(channels_b, channels_a)
        super().__init__(
            config,
            setup,
            generators={"generator_ab": self.generator_ab, "generator_ba": self.generator_ba},
            discriminators=[self._discriminator(channels) for channels in (channels_a, channels_b)],
            weights={"identity": config.cycle_weight * config.identity_weight},
        )

    def forward(self, source: Tensor, target: Tensor) -> Forward:
        """Translate both batches."""
        made = Forward(source=source, target=target)
        if self.weights["identity"]:
            # One pass instead of two: instance norm treats every image alone.
            made.fake_b, made.same_b = self.generator_ab(torch.cat([source, target])).chunk(2)
            made.fake_a, made.same_a = self.generator_ba(torch.cat([target, source])).chunk(2)
        else:
            made.fake_b, made.fake_a = self.generator_ab(source), self.generator_ba(target)
        return made

    def terms(self, made: Forward) -> dict[str, Tensor]:
        """Return the cycle terms."""
        if not self.weights["cycle"]:
            return {}
        return {
            "cycle_a": absolute_error(self.generator_ba(made.fake_b), made.source),
            "cycle_b": absolute_error(self.generator_ab(made.fake_a), made.target),
        }

    def _generator(self, inputs: int, outputs: int) -> CycleGanGenerator:
        own = options_for(self.config, CycleGanGenerator)
        return initialize_normal(CycleGanGenerator(inputs, outputs, mode=self.config.upsampling, **own))

    def _discriminator(self, channels: int) -> nn.Module:
        kind = PatchGan if self.config.discriminator_levels else PixelGan
        return initialize_normal(kind(channels, **options_for(self.config, kind, "discriminator_")))
