"""Training of MUNIT (Huang et al. 2018). a = source, b = target; C encodes content, S style, D decodes.

Minimized by encoders and decoders, with styles s drawn from N(0, 1), fake_b = D_b(C_a(a), s_b), and b mirrored:

    adversarial_ab + adversarial_ba + reconstruction_weight (reconstruction_a + reconstruction_b)
        + style_weight (style_a + style_b) + content_weight (content_a + content_b) + cycle_weight (cycle_a + cycle_b)
    reconstruction_a = mean |D_a(C_a(a), S_a(a)) - a|          style_b = mean |S_b(fake_b) - s_b|
    content_a = mean |C_b(fake_b) - C_a(a)|                    cycle_a = mean |D_a(C_b(fake_b), S_a(a)) - a|
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
from medsynth_munit import MunitConfig
from medsynth_munit.network import MunitTranslator


class Munit(UnpairedGenerator):
    """Two translators; a translation shows the content of its image in a style of the other domain.

    Images are translated in the mean style; see `translate_like` and `translate_variously` for others.

    Args:
        config: the plugin's options.
        setup: what the core says about images and device.
    """

    config: MunitConfig
    halved = False

    def __init__(self, config: MunitConfig, setup: Setup) -> None:
        self.config = config
        self.discriminators_first = not config.reuse_translations
        self.translator_ab, self.translator_ba = self._translator(setup.channels), self._translator(setup.channels)
        for translator in (self.translator_ab, self.translator_ba):
            initialize_kaiming(translator)
        super().__init__(
            config,
            setup,
            generators={"translator_ab": self.translator_ab, "translator_ba": self.translator_ba},
            discriminators=[self._discriminator(setup.channels) for _ in range(2)],
        )

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

    def forward(self, source: Tensor, target: Tensor) -> Forward:
        """Encode both batches: features are the contents, which serve both sides of the step."""
        features_a, features_b = self.translator_ab.encode(source), self.translator_ba.encode(target)
        return Forward(source=source, target=target, features_a=features_a, features_b=features_b)

    def shown(self, made: Forward) -> tuple[Tensor, Tensor]:
        """Return translations for the discriminators: fresh ones without gradient, unless they are to be reused."""
        if self.config.reuse_translations:
            return made.fake_a, made.fake_b
        with torch.no_grad():
            style_a, style_b = self._draw(made.target), self._draw(made.source)
            fake_a = self.translator_ba.decode(made.features_b, style_a, like=made.target)
            return fake_a, self.translator_ab.decode(made.features_a, style_b, like=made.source)

    def terms(self, made: Forward) -> dict[str, Tensor]:
        """Decode, and return the terms of images, styles and contents."""
        ab, ba, weights, terms = self.translator_ab, self.translator_ba, self.weights, dict[str, Tensor]()
        source, target = made.source, made.target
        style_a, style_b = self._draw(target), self._draw(source)
        if weights["reconstruction"] or weights["cycle"]:
            own_a, own_b = ba.style_of(source), ab.style_of(target)
        if weights["reconstruction"]:
            # One pass instead of two: the norms treat every image alone.
            both = torch.cat([made.features_a, made.features_b])
            same_a, made.fake_a = ba.decode(both, torch.cat([own_a, style_a]), like=source).chunk(2)
            made.fake_b, same_b = ab.decode(both, torch.cat([style_b, own_b]), like=target).chunk(2)
            terms["reconstruction_a"] = absolute_error(same_a, source)
            terms["reconstruction_b"] = absolute_error(same_b, target)
        else:
            made.fake_a = ba.decode(made.features_b, style_a, like=target)
            made.fake_b = ab.decode(made.features_a, style_b, like=source)
        if weights["style"]:
            terms["style_a"] = absolute_error(ba.style_of(made.fake_a), style_a)
            terms["style_b"] = absolute_error(ab.style_of(made.fake_b), style_b)
        if weights["content"] or weights["cycle"]:
            again_a, again_b = ba.encode(made.fake_b), ab.encode(made.fake_a)
            if weights["content"]:
                terms["content_a"] = absolute_error(again_a, made.features_a)
                terms["content_b"] = absolute_error(again_b, made.features_b)
            if weights["cycle"]:
                terms["cycle_a"] = absolute_error(ba.decode(again_a, own_a, like=source), source)
                terms["cycle_b"] = absolute_error(ab.decode(again_b, own_b, like=target), target)
        return terms

    def _draw(self, images: Tensor) -> Tensor:
        """Draw a style from the prior for each image, (B, S)."""
        return torch.randn(len(images), self.config.style, device=images.device)

    def _translator(self, channels: int) -> MunitTranslator:
        own = options_for(self.config, MunitTranslator)
        return MunitTranslator(channels, hidden=self.config.style_hidden, **own)

    def _discriminator(self, channels: int) -> MultiScaleDiscriminator:
        own = options_for(self.config, MultiScaleDiscriminator, "discriminator_")
        return initialize_normal(MultiScaleDiscriminator(channels, **own))
