"""Training of UNIT (Liu et al. 2017). a = source, b = target; E encodes, D decodes, n is Gaussian noise.

Minimized by encoders and decoders, with h_a = E_a(a), fake_b = D_b(h_a + n), k_a = E_b(fake_b), and b mirrored:

    adversarial_ab + adversarial_ba
        + reconstruction_weight (reconstruction_a + reconstruction_b) + kl_weight (kl_a + kl_b)
        + cycle_weight (cycle_a + cycle_b) + recoded_weight (recoded_a + recoded_b)
    reconstruction_a = mean |D_a(h_a + n) - a|          kl_a = mean h_a^2
    cycle_a = mean |D_a(k_a + n) - a|                   recoded_a = mean k_a^2
"""

from __future__ import annotations

import torch
from torch import Tensor

from medsynth.adversarial.initialization import initialize_kaiming, initialize_normal
from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.unpaired import Forward, UnpairedGenerator
from medsynth.api import Setup
from medsynth.base.configuration import options_for
from medsynth.networks.multiscale import MultiScaleDiscriminator
from medsynth_unit import UnitConfig
from medsynth_unit.network import UnitTranslator


class Unit(UnpairedGenerator):
    """An auto-encoder per domain; translators join the encoder of one with the decoder of the other.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.
    """

    config: UnitConfig
    halved = False

    def __init__(self, config: UnitConfig, setup: Setup) -> None:
        self.config = config
        self.discriminators_first = not config.reuse_translations
        self.translator_ab, self.translator_ba = self._translator(setup.channels), self._translator(setup.channels)
        if config.shared:
            self.translator_ba.encoder.blocks[-1] = self.translator_ab.encoder.blocks[-1]
            self.translator_ba.decoder.blocks[0] = self.translator_ab.decoder.blocks[0]
        for translator in (self.translator_ab, self.translator_ba):
            initialize_kaiming(translator)
        super().__init__(
            config,
            setup,
            generators={"translator_ab": self.translator_ab, "translator_ba": self.translator_ba},
            discriminators=[self._discriminator(setup.channels) for _ in range(2)],
        )

    def forward(self, source: Tensor, target: Tensor) -> Forward:
        """Encode both batches: features are the latents' means, which serve both sides of the step."""
        features_a, features_b = self.translator_ab.encode(source), self.translator_ba.encode(target)
        return Forward(source=source, target=target, features_a=features_a, features_b=features_b)

    def shown(self, made: Forward) -> tuple[Tensor, Tensor]:
        """Return translations for the discriminators: fresh ones without gradient, unless they are to be reused."""
        if self.config.reuse_translations:
            return made.fake_a, made.fake_b
        with torch.no_grad():
            of_a, of_b = _sample(made.features_a), _sample(made.features_b)
            fake_b = self.translator_ab.decode(of_a, like=made.source)
            return self.translator_ba.decode(of_b, like=made.target), fake_b

    def terms(self, made: Forward) -> dict[str, Tensor]:
        """Decode, and return the terms of auto-encoders and of the way there and back."""
        ab, ba, weights, terms = self.translator_ab, self.translator_ba, self.weights, dict[str, Tensor]()
        source, target = made.source, made.target
        of_a, of_b = _sample(made.features_a), _sample(made.features_b)
        if weights["reconstruction"]:
            # One pass instead of two: the norms treat every image alone.
            same_a, made.fake_a = ba.decode(torch.cat([of_a, of_b]), like=source).chunk(2)
            made.fake_b, same_b = ab.decode(torch.cat([of_a, of_b]), like=target).chunk(2)
            terms["reconstruction_a"] = absolute_error(same_a, source)
            terms["reconstruction_b"] = absolute_error(same_b, target)
        else:
            made.fake_a, made.fake_b = ba.decode(of_b, like=target), ab.decode(of_a, like=source)
        if weights["kl"]:
            terms |= {"kl_a": _distance_from_prior(made.features_a), "kl_b": _distance_from_prior(made.features_b)}
        if weights["cycle"] or weights["recoded"]:
            again_a, again_b = ba.encode(made.fake_b), ab.encode(made.fake_a)
            if weights["recoded"]:
                terms |= {"recoded_a": _distance_from_prior(again_a), "recoded_b": _distance_from_prior(again_b)}
            if weights["cycle"]:
                terms["cycle_a"] = absolute_error(ba.decode(_sample(again_a), like=source), source)
                terms["cycle_b"] = absolute_error(ab.decode(_sample(again_b), like=target), target)
        return terms

    def _translator(self, channels: int) -> UnitTranslator:
        return UnitTranslator(channels, **options_for(self.config, UnitTranslator))

    def _discriminator(self, channels: int) -> MultiScaleDiscriminator:
        own = options_for(self.config, MultiScaleDiscriminator, "discriminator_")
        return initialize_normal(MultiScaleDiscriminator(channels, **own))


def _sample(mean: Tensor) -> Tensor:
    """Draw latents: Gaussian with unit variance around their means."""
    return mean + torch.randn_like(mean)


def _distance_from_prior(mean: Tensor) -> Tensor:
    """Return the mean square of latents' means: twice their Kullback-Leibler divergence from N(0, 1), per number."""
    return mean.float().square().mean()
