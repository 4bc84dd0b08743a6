"""Training of CycleGAN (Zhu et al. 2017). a = source, b = target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medsynth.adversarial.discriminators import Discriminators
from medsynth.adversarial.initialization import initialize_normal
from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.regularizers import regularizer_weights, regularizers
from medsynth.adversarial.updating import adversarial_adam, frozen
from medsynth.api import Phase, Setup, learning_rate_schedule
from medsynth.base.errors import InputError
from medsynth.networks.patchgan import PatchGan, PixelGan
from medsynth_cyclegan import CycleGanConfig
from medsynth_cyclegan.network import CycleGanGenerator


class CycleGan:
    """Two generators, each the other's inverse, against two discriminators.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.
        target_channels: channels of target images where they differ from the source's; needs identity_weight 0.

    Raises:
        InputError: for identity terms between images of different channel counts.
    """

    def __init__(self, config: CycleGanConfig, setup: Setup, *, target_channels: int | None = None) -> None:
        self.config = config
        channels_a, channels_b = setup.channels, target_channels or setup.channels
        if config.identity_weight and channels_a != channels_b:
            raise InputError(
                f"cyclegan: identity_weight = {config.identity_weight} compares source images of {channels_a} channels "
                f"with target images of {channels_b}",
                hint="Use --set generator.identity_weight=0 or give both domains the same channels.",
            )
        self.weights = {
            "cycle": config.cycle_weight,
            "identity": config.cycle_weight * config.identity_weight,
            **regularizer_weights(config),
        }
        self.generator_ab = self._generator(channels_a, channels_b).to(setup.device)
        self.generator_ba = self._generator(channels_b, channels_a).to(setup.device)
        self.discriminators = Discriminators(
            self._discriminator(channels_a).to(setup.device),
            self._discriminator(channels_b).to(setup.device),
            objective=config.adversarial,
            config=config,
            pool_size=config.pool_size,
        )
        parameters = [*self.generator_ab.parameters(), *self.generator_ba.parameters()]
        self.optimizer = adversarial_adam(parameters, config.learning_rate)

    def phases(self) -> Sequence[Phase]:
        """Return the one phase, on unpaired images."""
        config = self.config
        return [
            Phase(
                name="translation",
                data="unpaired",
                epochs=config.epochs,
                epoch_steps=config.epoch_steps,
                batch_size=config.batch_size,
                step=self._step,
                state={
                    "generator_ab": self.generator_ab,
                    "generator_ba": self.generator_ba,
                    **self.discriminators.state(),
                },
                optimizers={"generators": self.optimizer, "discriminators": self.discriminators.optimizer},
                schedule=learning_rate_schedule(config),
            )
        ]

    def translate(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W) source images in [-1, 1] to target images."""
        translated: Tensor = self.generator_ab(images)
        return translated

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all four networks, the source -> target generator first."""
        return {
            "generator_ab": self.generator_ab,
            "generator_ba": self.generator_ba,
            **self.discriminators.networks(),
        }

    def update_generators(self, source: Tensor, target: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Train both generators for one step; return the unweighted terms, fake source and fake target images."""
        with frozen(self.discriminators.a, self.discriminators.b):
            terms, fake_a, fake_b = self._terms(source, target)
            total = torch.stack([self.weights.get(name.partition("_")[0], 1.0) * term for name, term in terms.items()])
            self.optimizer.zero_grad(set_to_none=True)
            total.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return {name: term.detach() for name, term in terms.items()}, fake_a.detach(), fake_b.detach()

    def _step(self, engine: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002 - Ignite's signature
        source, target = batch["source"], batch["target"]
        terms, fake_a, fake_b = self.update_generators(source, target)
        return terms | self.discriminators.update(real_a=source, real_b=target, fake_a=fake_a, fake_b=fake_b)

    def _terms(self, source: Tensor, target: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the generators' unweighted terms by name, the images a <- b and the images b <- a."""
        terms: dict[str, Tensor] = {}
        if self.weights["identity"]:
            # One pass instead of two: instance norm treats every image alone.
            fake_b, same_b = self.generator_ab(torch.cat([source, target])).chunk(2)
            fake_a, same_a = self.generator_ba(torch.cat([target, source])).chunk(2)
            terms |= {"identity_a": absolute_error(same_a, source), "identity_b": absolute_error(same_b, target)}
        else:
            fake_b, fake_a = self.generator_ab(source), self.generator_ba(target)
        if self.weights["cycle"]:
            terms["cycle_a"] = absolute_error(self.generator_ba(fake_b), source)
            terms["cycle_b"] = absolute_error(self.generator_ab(fake_a), target)
        terms |= regularizers(self.config, source=source, target=target, fake_a=fake_a, fake_b=fake_b)
        return terms | self.discriminators.judge(fake_a=fake_a, fake_b=fake_b), fake_a, fake_b

    def _generator(self, inputs: int, outputs: int) -> CycleGanGenerator:
        config = self.config
        network = CycleGanGenerator(
            inputs,
            outputs,
            width=config.width,
            blocks=config.blocks,
            mode=config.upsampling,
            dropout=config.dropout,
            ends=config.ends,
            coordinates=config.coordinates,
            skips=config.skips,
        )
        initialize_normal(network)
        return network

    def _discriminator(self, channels: int) -> nn.Module:
        width, levels = self.config.discriminator_width, self.config.discriminator_levels
        network = PatchGan(channels, width=width, levels=levels) if levels else PixelGan(channels, width=width)
        initialize_normal(network)
        return network
