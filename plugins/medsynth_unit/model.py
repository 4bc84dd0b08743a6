"""Training of UNIT (Liu et al. 2017). a = source, b = target; E encodes, D decodes, n is Gaussian noise.

Minimized by encoders and decoders, with h_a = E_a(a), fake_b = D_b(h_a + n), k_a = E_b(fake_b), and b mirrored:

    adversarial_ab + adversarial_ba
        + reconstruction_weight (reconstruction_a + reconstruction_b) + kl_weight (kl_a + kl_b)
        + cycle_weight (cycle_a + cycle_b) + recoded_weight (recoded_a + recoded_b)
    reconstruction_a = mean |D_a(h_a + n) - a|          kl_a = mean h_a^2
    cycle_a = mean |D_a(k_a + n) - a|                   recoded_a = mean k_a^2
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medsynth.adversarial.discriminators import Discriminators
from medsynth.adversarial.initialization import initialize_kaiming, initialize_normal
from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.regularizers import regularizer_weights, regularizers
from medsynth.adversarial.updating import adversarial_adam, frozen
from medsynth.api import Phase, Setup, learning_rate_schedule
from medsynth.networks.multiscale import MultiScaleDiscriminator
from medsynth_unit import UnitConfig
from medsynth_unit.network import UnitTranslator


class Unit:
    """An auto-encoder per domain; translators join the encoder of one with the decoder of the other.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.
    """

    def __init__(self, config: UnitConfig, setup: Setup) -> None:
        self.config = config
        self.weights = {
            "reconstruction": config.reconstruction_weight,
            "kl": config.kl_weight,
            "cycle": config.cycle_weight,
            "recoded": config.recoded_weight,
            **regularizer_weights(config),
        }
        self.translator_ab, self.translator_ba = self._translator(setup.channels), self._translator(setup.channels)
        if config.shared:
            self.translator_ba.encoder.blocks[-1] = self.translator_ab.encoder.blocks[-1]
            self.translator_ba.decoder.blocks[0] = self.translator_ab.decoder.blocks[0]
        for translator in (self.translator_ab, self.translator_ba):
            initialize_kaiming(translator)
            translator.to(setup.device)
        judges = [self._discriminator(setup.channels).to(setup.device) for _ in range(2)]
        self.discriminators = Discriminators(
            *judges, objective=config.adversarial, config=config, halved=False, weight_decay=config.weight_decay
        )
        # Shared blocks are listed once.
        parameters = dict.fromkeys([*self.translator_ab.parameters(), *self.translator_ba.parameters()])
        self.optimizer = adversarial_adam(parameters, config.learning_rate, weight_decay=config.weight_decay)

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
                    "translator_ab": self.translator_ab,
                    "translator_ba": self.translator_ba,
                    **self.discriminators.state(),
                },
                optimizers={"generators": self.optimizer, "discriminators": self.discriminators.optimizer},
                schedule=learning_rate_schedule(config),
            )
        ]

    def translate(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W) source images in [-1, 1] to target images."""
        translated: Tensor = self.translator_ab(images)
        return translated

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all four networks, the source -> target translator first."""
        return {
            "translator_ab": self.translator_ab,
            "translator_ba": self.translator_ba,
            **self.discriminators.networks(),
        }

    def encode(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latents' means of source and target images."""
        return self.translator_ab.encode(source), self.translator_ba.encode(target)

    def translations(self, source: Tensor, target: Tensor, latents: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return source images made from target images, and target images made from source images; no gradient."""
        with torch.no_grad():
            of_a, of_b = (_sample(mean) for mean in latents)
            fake_b = self.translator_ab.decode(of_a, like=source)
            return self.translator_ba.decode(of_b, like=target), fake_b

    def update_generators(
        self, source: Tensor, target: Tensor, latents: tuple[Tensor, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Train encoders and decoders for one step; return the unweighted terms and the translations a, b."""
        with frozen(self.discriminators.a, self.discriminators.b):
            terms, fake_a, fake_b = self._terms(source, target, latents)
            total = torch.stack([self.weights.get(name.partition("_")[0], 1.0) * term for name, term in terms.items()])
            self.optimizer.zero_grad(set_to_none=True)
            total.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return {name: term.detach() for name, term in terms.items()}, fake_a.detach(), fake_b.detach()

    def _step(self, engine: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002 - Ignite's signature
        source, target = batch["source"], batch["target"]
        # Encoders do not change until their own update, so both sides of the step use these.
        latents = self.encode(source, target)
        judged: dict[str, Tensor] = {}
        if not self.config.reuse_translations:
            judged = self._update_discriminators(source, target, *self.translations(source, target, latents))
        terms, fake_a, fake_b = self.update_generators(source, target, latents)
        return terms | (judged or self._update_discriminators(source, target, fake_a, fake_b))

    def _update_discriminators(
        self, source: Tensor, target: Tensor, fake_a: Tensor, fake_b: Tensor
    ) -> dict[str, Tensor]:
        return self.discriminators.update(real_a=source, real_b=target, fake_a=fake_a, fake_b=fake_b)

    def _terms(
        self, source: Tensor, target: Tensor, latents: tuple[Tensor, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the generators' unweighted terms by name, the images a <- b and the images b <- a."""
        ab, ba, weights, terms = self.translator_ab, self.translator_ba, self.weights, dict[str, Tensor]()
        of_a, of_b = (_sample(mean) for mean in latents)
        if weights["reconstruction"]:
            # One pass instead of two: the norms treat every image alone.
            same_a, fake_a = ba.decode(torch.cat([of_a, of_b]), like=source).chunk(2)
            fake_b, same_b = ab.decode(torch.cat([of_a, of_b]), like=target).chunk(2)
            terms["reconstruction_a"] = absolute_error(same_a, source)
            terms["reconstruction_b"] = absolute_error(same_b, target)
        else:
            fake_a, fake_b = ba.decode(of_b, like=target), ab.decode(of_a, like=source)
        if weights["kl"]:
            terms |= {"kl_a": _distance_from_prior(latents[0]), "kl_b": _distance_from_prior(latents[1])}
        if weights["cycle"] or weights["recoded"]:
            again_a, again_b = ba.encode(fake_b), ab.encode(fake_a)
            if weights["recoded"]:
                terms |= {"recoded_a": _distance_from_prior(again_a), "recoded_b": _distance_from_prior(again_b)}
            if weights["cycle"]:
                terms["cycle_a"] = absolute_error(ba.decode(_sample(again_a), like=source), source)
                terms["cycle_b"] = absolute_error(ab.decode(_sample(again_b), like=target), target)
        terms |= regularizers(self.config, source=source, target=target, fake_a=fake_a, fake_b=fake_b)
        return terms | self.discriminators.judge(fake_a=fake_a, fake_b=fake_b), fake_a, fake_b

    def _translator(self, channels: int) -> UnitTranslator:
        config = self.config
        return UnitTranslator(
            channels, width=config.width, blocks=config.blocks, ends=config.ends, coordinates=config.coordinates
        )

    def _discriminator(self, channels: int) -> MultiScaleDiscriminator:
        config = self.config
        network = MultiScaleDiscriminator(
            channels,
            width=config.discriminator_width,
            levels=config.discriminator_levels,
            scales=config.discriminator_scales,
        )
        initialize_normal(network)
        return network


def _sample(mean: Tensor) -> Tensor:
    """Draw latents: Gaussian with unit variance around their means."""
    return mean + torch.randn_like(mean)


def _distance_from_prior(mean: Tensor) -> Tensor:
    """Return the mean square of latents' means: twice their Kullback-Leibler divergence from N(0, 1), per number."""
    return mean.float().square().mean()
