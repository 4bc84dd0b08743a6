"""Training of DCLGAN and SimDCL (Han et al. 2021). a = source, b = target.

Minimized by generators and projection heads, with F_a, F_b the heads of the encoders of a -> b and b -> a:

    1/2 adversarial_weight (adversarial_ab + adversarial_ba) + 1/2 nce_weight (nce_a + nce_b)
        + 1/2 identity_weight (identity_a + identity_b) + similarity_weight (similarity_a + similarity_b)
    nce_a = NCE(queries F_b(enc_ba(G_ab(a))), keys F_a(enc_ab(a)))             nce_b mirrored
    identity_a = mean |G_ba(a) - a|                                            identity_b mirrored
    similarity_a = mean |m(F_a(enc_ab(a))) - m'(F_a(enc_ab(G_ba(b))))|         similarity_b mirrored
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medsynth.adversarial.initialization import initialize_xavier
from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.unpaired import Forward, UnpairedGenerator
from medsynth.api import Setup
from medsynth.base.configuration import options_for
from medsynth.base.errors import InputError
from medsynth.networks.patchgan import PatchGan
from medsynth_dclgan import DclGanConfig
from medsynth_dclgan.contrast import MappingHead, ProjectionHead, draw_positions, patch_nce
from medsynth_dclgan.network import DclGanGenerator, tap_names

Features = Sequence[Tensor]
"""One (B, C', H', W') per tap."""


class DclGan(UnpairedGenerator):
    """Two generators whose encoders judge each other's translations patch by patch, against two discriminators.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.

    Raises:
        InputError: for a tap that the generators do not have.
    """

    config: DclGanConfig
    discriminators_first = True
    judged_first = True

    def __init__(self, config: DclGanConfig, setup: Setup) -> None:
        self.config = config
        _refuse_unknown_taps(config)
        self.generator_ab, self.generator_ba = (self._generator(setup.channels) for _ in range(2))
        self.projection_a, self.projection_b = (self._projection() for _ in range(2))
        self.mappings = self._mappings()
        heads: dict[str, nn.Module] = {"projection_a": self.projection_a, "projection_b": self.projection_b}
        super().__init__(
            config,
            setup,
            generators={"generator_ab": self.generator_ab, "generator_ba": self.generator_ba},
            discriminators=[self._discriminator(setup.channels) for _ in range(2)],
            helpers=heads | ({"mappings": self.mappings} if config.similarity_weight else {}),
            helper_adam={"learning_rate": config.projection_rate, "betas": (config.projection_momentum, 0.999)},
            parts={
                "encoder_ab": self.generator_ab.encoder,
                "decoder_ab": self.generator_ab.decoder,
                "encoder_ba": self.generator_ba.encoder,
                "decoder_ba": self.generator_ba.decoder,
            },
            weights={
                "adversarial": 0.5 * config.adversarial_weight,
                "nce": 0.5 * config.nce_weight,
                "identity": 0.5 * config.identity_weight,
            },
        )

    def forward(self, source: Tensor, target: Tensor) -> Forward:
        """Translate both batches, keeping the features that the contrastive terms need as keys."""
        made, count = Forward(source=source, target=target), len(source)
        ab, ba = self.generator_ab, self.generator_ba
        if not self.weights["identity"]:
            made.features_a, made.features_b = ab.encoder(source), ba.encoder(target)
            made.fake_b = ab.decode(made.features_a[-1], like=source)
            made.fake_a = ba.decode(made.features_b[-1], like=target)
            return made
        # One pass instead of two: instance norm treats every image alone.
        of_ab, of_ba = ab.encoder(torch.cat([source, target])), ba.encoder(torch.cat([target, source]))
        made.fake_b, made.same_b = ab.decode(of_ab[-1], like=source).chunk(2)
        made.fake_a, made.same_a = ba.decode(of_ba[-1], like=target).chunk(2)
        made.features_a, made.features_b = ([maps[:count] for maps in features] for features in (of_ab, of_ba))
        return made

    def terms(self, made: Forward) -> dict[str, Tensor]:
        """Return the contrastive and the similarity terms."""
        terms: dict[str, Tensor] = {}
        if self.weights["nce"] or self.weights["similarity"]:
            of_fake_a, of_fake_b = self.generator_ab.encoder(made.fake_a), self.generator_ba.encoder(made.fake_b)
            terms |= self._contrast_terms(made, of_fake_a, of_fake_b) if self.weights["nce"] else {}
            terms |= self._similarity_terms(made, of_fake_a, of_fake_b) if self.weights["similarity"] else {}
        return terms

    def _contrast_terms(self, made: Forward, of_fake_a: Features, of_fake_b: Features) -> dict[str, Tensor]:
        """Return the contrastive terms; a translation's patches pass through the other direction's encoder."""
        terms = {}
        for name, of_real, own, of_fake, other in (
            ("nce_a", made.features_a, self.projection_a, of_fake_b, self.projection_b),
            ("nce_b", made.features_b, self.projection_b, of_fake_a, self.projection_a),
        ):
            positions = draw_positions(of_real, self.config.patches)
            with torch.no_grad():
                keys = own(of_real, positions)
            terms[name] = patch_nce(other(of_fake, positions), keys, temperature=self.config.temperature)
        return terms

    def _similarity_terms(self, made: Forward, of_fake_a: Features, of_fake_b: Features) -> dict[str, Tensor]:
        """Return SimDCL's terms: real and translated images of one domain should have alike summaries."""
        terms = {}
        for end, project, of_real, of_fake in (
            ("a", self.projection_a, made.features_a, of_fake_a),
            ("b", self.projection_b, made.features_b, of_fake_b),
        ):
            real, fake = (
                self.mappings[f"{kind}_{end}"](project(maps, draw_positions(maps, self.config.patches)))
                for kind, maps in (("real", of_real), ("fake", of_fake))
            )
            terms[f"similarity_{end}"] = absolute_error(real, fake)
        return terms

    def _generator(self, channels: int) -> DclGanGenerator:
        own = options_for(self.config, DclGanGenerator)
        return initialize_xavier(DclGanGenerator(channels, channels, mode=self.config.upsampling, **own))

    def _projection(self) -> ProjectionHead:
        widths = self.generator_ab.encoder.widths
        return initialize_xavier(ProjectionHead(widths, outputs=self.config.projection_width))

    def _mappings(self) -> nn.ModuleDict:
        """Return the four mapping heads of SimDCL, none where its term is off."""
        names = ("real_a", "fake_a", "real_b", "fake_b") if self.config.similarity_weight else ()
        taps = len(self.generator_ab.encoder.widths)
        return initialize_xavier(nn.ModuleDict({name: MappingHead(taps) for name in names}))

    def _discriminator(self, channels: int) -> PatchGan:
        return initialize_xavier(PatchGan(channels, **options_for(self.config, PatchGan, "discriminator_")))


def _refuse_unknown_taps(config: DclGanConfig) -> None:
    known = tap_names(config.blocks, config.levels)
    unknown = [name for name in config.taps if name not in known]
    if unknown or not config.taps:
        raise InputError(
            f"dclgan: taps = {', '.join(config.taps)!r} with levels = {config.levels}, blocks = {config.blocks}: "
            + (f"there is no layer {unknown[0]!r}" if unknown else "at least one layer is needed"),
            hint=f"Choose among {', '.join(known)} with --set generator.taps=NAME,NAME.",
        )
