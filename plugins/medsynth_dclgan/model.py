"""Training of DCLGAN and SimDCL (Han et al. 2021). a = source, b = target.

Minimized by generators and projection heads, with F_a, F_b the heads of the encoders of a -> b and b -> a:

    1/2 adversarial_weight (adversarial_ab + adversarial_ba) + 1/2 nce_weight (nce_a + nce_b)
        + 1/2 identity_weight (identity_a + identity_b) + similarity_weight (similarity_a + similarity_b)
    nce_a = NCE(queries F_b(enc_ba(G_ab(a))), keys F_a(enc_ab(a)))             nce_b mirrored
    identity_a = mean |G_ba(a) - a|                                            identity_b mirrored
    similarity_a = mean |m(F_a(enc_ab(a))) - m'(F_a(enc_ab(G_ba(b))))|         similarity_b mirrored
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medsynth.adversarial.discriminators import Discriminators
from medsynth.adversarial.initialization import initialize_xavier
from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.regularizers import regularizer_weights, regularizers
from medsynth.adversarial.updating import adversarial_adam, frozen
from medsynth.api import Phase, Setup, learning_rate_schedule
from medsynth.base.errors import InputError
from medsynth.networks.patchgan import PatchGan
from medsynth_dclgan import DclGanConfig
from medsynth_dclgan.contrast import MappingHead, ProjectionHead, draw_positions, patch_nce
from medsynth_dclgan.network import DclGanGenerator, tap_names

Features = Sequence[Tensor]


class Forward(NamedTuple):
    """What a step computes before any loss; images are (B, C, H, W), features one (B, C', H', W') per tap."""

    features_a: Features
    """Of real source images, from the encoder of a -> b."""
    features_b: Features
    """Of real target images, from the encoder of b -> a."""
    fake_a: Tensor
    fake_b: Tensor
    same_a: Tensor | None
    """Source images through b -> a, for the identity term; None where its weight is 0."""
    same_b: Tensor | None


class DclGan:
    """Two generators whose encoders judge each other's translations patch by patch, against two discriminators.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.

    Raises:
        InputError: for a tap that the generators do not have.
    """

    def __init__(self, config: DclGanConfig, setup: Setup) -> None:
        self.config = config
        self.weights = {
            "adversarial": 0.5 * config.adversarial_weight,
            "nce": 0.5 * config.nce_weight,
            "identity": 0.5 * config.identity_weight,
            "similarity": config.similarity_weight,
            **regularizer_weights(config),
        }
        _refuse_unknown_taps(config)
        self.generator_ab, self.generator_ba = (self._generator(setup.channels).to(setup.device) for _ in range(2))
        self.projection_a, self.projection_b = (self._projection().to(setup.device) for _ in range(2))
        self.mappings = self._mappings().to(setup.device)
        self.discriminators = Discriminators(
            *(self._discriminator(setup.channels).to(setup.device) for _ in range(2)),
            objective=config.adversarial,
            config=config,
        )
        self.optimizer = adversarial_adam(
            [*self.generator_ab.parameters(), *self.generator_ba.parameters()], config.learning_rate
        )
        heads = nn.ModuleList([self.projection_a, self.projection_b, self.mappings])
        self.projection_optimizer = adversarial_adam(
            heads.parameters(), config.projection_rate, betas=(config.projection_momentum, 0.999)
        )

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
                    "encoder_ab": self.generator_ab.encoder,
                    "decoder_ab": self.generator_ab.decoder,
                    "encoder_ba": self.generator_ba.encoder,
                    "decoder_ba": self.generator_ba.decoder,
                    **self._heads(),
                    **self.discriminators.state(),
                },
                optimizers={
                    "generators": self.optimizer,
                    "projections": self.projection_optimizer,
                    "discriminators": self.discriminators.optimizer,
                },
                schedule=learning_rate_schedule(config),
            )
        ]

    def translate(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W) source images in [-1, 1] to target images."""
        translated: Tensor = self.generator_ab(images)
        return translated

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all networks, the source -> target generator first."""
        return {
            "generator_ab": self.generator_ab,
            "generator_ba": self.generator_ba,
            **self._heads(),
            **self.discriminators.networks(),
        }

    def forward(self, source: Tensor, target: Tensor) -> Forward:
        """Translate both batches, keeping the features that the contrastive terms need as keys."""
        count = len(source)
        if not self.weights["identity"]:
            features_a, features_b = self.generator_ab.encoder(source), self.generator_ba.encoder(target)
            fake_b = self.generator_ab.decode(features_a[-1], like=source)
            fake_a = self.generator_ba.decode(features_b[-1], like=target)
            return Forward(features_a, features_b, fake_a, fake_b, None, None)
        # One pass instead of two: instance norm treats every image alone.
        of_ab = self.generator_ab.encoder(torch.cat([source, target]))
        of_ba = self.generator_ba.encoder(torch.cat([target, source]))
        fake_b, same_b = self.generator_ab.decode(of_ab[-1], like=source).chunk(2)
        fake_a, same_a = self.generator_ba.decode(of_ba[-1], like=target).chunk(2)
        features_a, features_b = ([maps[:count] for maps in features] for features in (of_ab, of_ba))
        return Forward(features_a, features_b, fake_a, fake_b, same_a, same_b)

    def update_generators(self, source: Tensor, target: Tensor, made: Forward) -> dict[str, Tensor]:
        """Train generators and projection heads for one step; return the unweighted terms."""
        with frozen(self.discriminators.a, self.discriminators.b):
            terms = self._terms(source, target, made)
            total = torch.stack([self.weights[name.partition("_")[0]] * term for name, term in terms.items()])
            self.optimizer.zero_grad(set_to_none=True)
            self.projection_optimizer.zero_grad(set_to_none=True)
            total.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.projection_optimizer.step()
        return {name: term.detach() for name, term in terms.items()}

    def _step(self, engine: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002 - Ignite's signature
        source, target = batch["source"], batch["target"]
        made = self.forward(source, target)
        judged: dict[str, Tensor] = {}
        if self.weights["adversarial"]:
            judged = self.discriminators.update(real_a=source, real_b=target, fake_a=made.fake_a, fake_b=made.fake_b)
        return self.update_generators(source, target, made) | judged

    def _terms(self, source: Tensor, target: Tensor, made: Forward) -> dict[str, Tensor]:
        """Return the generators' unweighted terms by name."""
        terms: dict[str, Tensor] = {}
        if self.weights["adversarial"]:
            terms |= self.discriminators.judge(fake_a=made.fake_a, fake_b=made.fake_b)
        if made.same_a is not None and made.same_b is not None:
            terms["identity_a"] = absolute_error(made.same_a, source)
            terms["identity_b"] = absolute_error(made.same_b, target)
        if self.weights["nce"] or self.weights["similarity"]:
            of_fake_a, of_fake_b = self.generator_ab.encoder(made.fake_a), self.generator_ba.encoder(made.fake_b)
            terms |= self._contrast_terms(made, of_fake_a, of_fake_b) if self.weights["nce"] else {}
            terms |= self._similarity_terms(made, of_fake_a, of_fake_b) if self.weights["similarity"] else {}
        return terms | regularizers(self.config, source=source, target=target, fake_a=made.fake_a, fake_b=made.fake_b)

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

    def _heads(self) -> dict[str, nn.Module]:
        heads: dict[str, nn.Module] = {"projection_a": self.projection_a, "projection_b": self.projection_b}
        return heads | ({"mappings": self.mappings} if self.weights["similarity"] else {})

    def _generator(self, channels: int) -> DclGanGenerator:
        config = self.config
        network = DclGanGenerator(
            channels,
            channels,
            width=config.width,
            blocks=config.blocks,
            mode=config.upsampling,
            dropout=config.dropout,
            taps=config.taps,
            ends=config.ends,
            coordinates=config.coordinates,
        )
        initialize_xavier(network)
        return network

    def _projection(self) -> ProjectionHead:
        head = ProjectionHead(self.generator_ab.encoder.widths, outputs=self.config.projection_width)
        initialize_xavier(head)
        return head

    def _mappings(self) -> nn.ModuleDict:
        """Return the four mapping heads of SimDCL, none where its term is off."""
        names = ("real_a", "fake_a", "real_b", "fake_b") if self.weights["similarity"] else ()
        heads = nn.ModuleDict({name: MappingHead(len(self.generator_ab.encoder.widths)) for name in names})
        initialize_xavier(heads)
        return heads

    def _discriminator(self, channels: int) -> PatchGan:
        config = self.config
        network = PatchGan(
            channels,
            width=config.discriminator_width,
            levels=config.discriminator_levels,
            antialiased=config.discriminator_antialiased,
        )
        initialize_xavier(network)
        return network


def _refuse_unknown_taps(config: DclGanConfig) -> None:
    known = tap_names(config.blocks)
    unknown = [name for name in config.taps if name not in known]
    if unknown or not config.taps:
        raise InputError(
            f"dclgan: taps = {', '.join(config.taps)!r} with blocks = {config.blocks}: "
            + (f"there is no layer {unknown[0]!r}" if unknown else "at least one layer is needed"),
            hint=f"Choose among {', '.join(known)} with --set generator.taps=NAME,NAME.",
        )
