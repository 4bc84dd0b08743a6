"""Training of MUNIT (Huang et al. 2018). a = source, b = target; C encodes content, S style, D decodes.

Minimized by encoders and decoders, with styles s drawn from N(0, 1), fake_b = D_b(C_a(a), s_b), and b mirrored:

    adversarial_ab + adversarial_ba + reconstruction_weight (reconstruction_a + reconstruction_b)
        + style_weight (style_a + style_b) + content_weight (content_a + content_b) + cycle_weight (cycle_a + cycle_b)
    reconstruction_a = mean |D_a(C_a(a), S_a(a)) - a|          style_b = mean |S_b(fake_b) - s_b|
    content_a = mean |C_b(fake_b) - C_a(a)|                    cycle_a = mean |D_a(C_b(fake_b), S_a(a)) - a|
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
from medsynth_munit import MunitConfig
from medsynth_munit.network import MunitTranslator


class Munit:
    """Two translators; a translation shows the content of its image in a style of the other domain.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.
    """

    def __init__(self, config: MunitConfig, setup: Setup) -> None:
        self.config = config
        self.weights = {
            "reconstruction": config.reconstruction_weight,
            "style": config.style_weight,
            "content": config.content_weight,
            "cycle": config.cycle_weight,
            **regularizer_weights(config),
        }
        self.translator_ab, self.translator_ba = self._translator(setup.channels), self._translator(setup.channels)
        for translator in (self.translator_ab, self.translator_ba):
            initialize_kaiming(translator)
            translator.to(setup.device)
        judges = [self._discriminator(setup.channels).to(setup.device) for _ in range(2)]
        self.discriminators = Discriminators(
            *judges, objective=config.adversarial, config=config, halved=False, weight_decay=config.weight_decay
        )
        parameters = [*self.translator_ab.parameters(), *self.translator_ba.parameters()]
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
        """Translate (B, C, H, W) source images in [-1, 1] to target images of mean style."""
        translated: Tensor = self.translator_ab(images)
        return translated

    def translate_like(self, images: Tensor, reference: Tensor) -> Tensor:
        """Translate (B, C, H, W) source images in the styles of (B, C, H, W) target images, or of one for all."""
        styles = self.translator_ab.style_of(reference).expand(len(images), -1)
        translated: Tensor = self.translator_ab(images, styles)
        return translated

    def translate_variously(self, images: Tensor, count: int, *, seed: int) -> Tensor:
        """Translate (B, C, H, W) source images `count` times each, in styles drawn from the prior.

        All images share the styles, so that neither an image nor its translations depend on the others.

        Returns:
            (B, count, C, H, W); translation k has the same style for every image.
        """
        styles = torch.randn(count, self.config.style, generator=torch.Generator().manual_seed(seed)).to(images)
        content = self.translator_ab.encode(images)
        found = [self.translator_ab.decode(content, style.expand(len(images), -1), like=images) for style in styles]
        return torch.stack(found, dim=1)

    def networks(self) -> Mapping[str, nn.Module]:
        """Return all four networks, the source -> target translator first."""
        return {
            "translator_ab": self.translator_ab,
            "translator_ba": self.translator_ba,
            **self.discriminators.networks(),
        }

    def encode(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the contents of source and target images."""
        return self.translator_ab.encode(source), self.translator_ba.encode(target)

    def translations(self, source: Tensor, target: Tensor, contents: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return source images made from target images, and target images made from source images; no gradient."""
        with torch.no_grad():
            style_a, style_b = self._draw(target), self._draw(source)
            fake_a = self.translator_ba.decode(contents[1], style_a, like=target)
            return fake_a, self.translator_ab.decode(contents[0], style_b, like=source)

    def update_generators(
        self, source: Tensor, target: Tensor, contents: tuple[Tensor, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Train encoders and decoders for one step; return the unweighted terms and the translations a, b."""
        with frozen(self.discriminators.a, self.discriminators.b):
            terms, fake_a, fake_b = self._terms(source, target, contents)
            total = torch.stack([self.weights.get(name.partition("_")[0], 1.0) * term for name, term in terms.items()])
            self.optimizer.zero_grad(set_to_none=True)
            total.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return {name: term.detach() for name, term in terms.items()}, fake_a.detach(), fake_b.detach()

    def _step(self, engine: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002 - Ignite's signature
        source, target = batch["source"], batch["target"]
        # Encoders do not change until their own update, so both sides of the step use these.
        contents = self.encode(source, target)
        judged: dict[str, Tensor] = {}
        if not self.config.reuse_translations:
            judged = self._update_discriminators(source, target, *self.translations(source, target, contents))
        terms, fake_a, fake_b = self.update_generators(source, target, contents)
        return terms | (judged or self._update_discriminators(source, target, fake_a, fake_b))

    def _update_discriminators(
        self, source: Tensor, target: Tensor, fake_a: Tensor, fake_b: Tensor
    ) -> dict[str, Tensor]:
        return self.discriminators.update(real_a=source, real_b=target, fake_a=fake_a, fake_b=fake_b)

    def _terms(
        self, source: Tensor, target: Tensor, contents: tuple[Tensor, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the generators' unweighted terms by name, the images a <- b and the images b <- a."""
        ab, ba, weights, terms = self.translator_ab, self.translator_ba, self.weights, dict[str, Tensor]()
        style_a, style_b = self._draw(target), self._draw(source)
        if weights["reconstruction"] or weights["cycle"]:
            own_a, own_b = ba.style_of(source), ab.style_of(target)
        if weights["reconstruction"]:
            # One pass instead of two: the norms treat every image alone.
            both = torch.cat(contents)
            same_a, fake_a = ba.decode(both, torch.cat([own_a, style_a]), like=source).chunk(2)
            fake_b, same_b = ab.decode(both, torch.cat([style_b, own_b]), like=target).chunk(2)
            terms["reconstruction_a"] = absolute_error(same_a, source)
            terms["reconstruction_b"] = absolute_error(same_b, target)
        else:
            fake_a = ba.decode(contents[1], style_a, like=target)
            fake_b = ab.decode(contents[0], style_b, like=source)
        if weights["style"]:
            terms["style_a"] = absolute_error(ba.style_of(fake_a), style_a)
            terms["style_b"] = absolute_error(ab.style_of(fake_b), style_b)
        if weights["content"] or weights["cycle"]:
            again_a, again_b = ba.encode(fake_b), ab.encode(fake_a)
            if weights["content"]:
                terms["content_a"] = absolute_error(again_a, contents[0])
                terms["content_b"] = absolute_error(again_b, contents[1])
            if weights["cycle"]:
                terms["cycle_a"] = absolute_error(ba.decode(again_a, own_a, like=source), source)
                terms["cycle_b"] = absolute_error(ab.decode(again_b, own_b, like=target), target)
        terms |= regularizers(self.config, source=source, target=target, fake_a=fake_a, fake_b=fake_b)
        return terms | self.discriminators.judge(fake_a=fake_a, fake_b=fake_b), fake_a, fake_b

    def _draw(self, images: Tensor) -> Tensor:
        """Draw a style from the prior for each image, (B, S)."""
        return torch.randn(len(images), self.config.style, device=images.device)

    def _translator(self, channels: int) -> MunitTranslator:
        config = self.config
        return MunitTranslator(
            channels,
            width=config.width,
            blocks=config.blocks,
            style=config.style,
            hidden=config.style_hidden,
            ends=config.ends,
            coordinates=config.coordinates,
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
