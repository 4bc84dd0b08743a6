"""Training steps of UNIT and MUNIT as published code has them; see `plain_generators.py`.

To train the discriminators, each encodes and decodes with a graph that nothing uses; to train the generators, it does
so again, and gives the discriminators gradients that are thrown away.
"""

from __future__ import annotations

from typing import Any

import torch
from plain_generators import CHANNELS, Plain, adam, copy_of, judged_as
from plain_networks import MultiScale, StyledDecoder, content_decoder, content_encoder, style_encoder
from torch import Tensor


class PlainAutoencoders(Plain):
    """What both have: content encoders, discriminators at several scales, Adam with weight decay."""

    factor = 1.0

    def __init__(self, model: Any) -> None:
        config = model.config
        width, levels, scales = config.discriminator_width, config.discriminator_levels, config.discriminator_scales
        super().__init__(model, lambda: MultiScale(CHANNELS, width=width, levels=levels, scales=scales))
        ab, ba = model.translator_ab, model.translator_ba
        self.content_a, self.content_b = (
            copy_of(content_encoder(CHANNELS, width=config.width, blocks=config.blocks), original)
            for original in self.content_encoders(ab, ba)
        )

    def content_encoders(self, ab: Any, ba: Any) -> tuple[Any, Any]:
        """Return medsynth's content encoders of both domains."""
        return ab.encoder, ba.encoder

    def use(self, *networks: torch.nn.Module) -> None:
        """Set up the optimizers: these networks', and the discriminators'."""
        rate, decay = self.config.learning_rate, self.config.weight_decay
        self.optimizers = {
            "generators": adam(*networks, rate=rate, decay=decay),
            "discriminators": adam(*self.judges, rate=rate, decay=decay),
        }

    def update_generators(self, loss: Tensor, fake_a: Tensor, fake_b: Tensor) -> None:
        """Train the generators on this loss and the judgments of their images."""
        loss = loss + judged_as(self.judge_a(fake_a), 1.0) + judged_as(self.judge_b(fake_b), 1.0)
        self.optimizers["generators"].zero_grad()
        loss.backward()
        self.optimizers["generators"].step()


class PlainUnit(PlainAutoencoders):
    """UNIT's step: discriminators, then generators."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        config = model.config
        self.decode_a, self.decode_b = (
            copy_of(content_decoder(CHANNELS, width=config.width, blocks=config.blocks), translator.decoder)
            for translator in (model.translator_ba, model.translator_ab)
        )
        self.use(self.content_a, self.decode_b, self.content_b, self.decode_a)

    def step(self, a: Tensor, b: Tensor) -> None:
        """Train for one step."""
        config = self.config
        latent_a, latent_b = sample(self.content_a(a)), sample(self.content_b(b))
        self.update_judges(a, b, self.decode_a(latent_b), self.decode_b(latent_a))
        mean_a, mean_b = self.content_a(a), self.content_b(b)
        latent_a, latent_b = sample(mean_a), sample(mean_b)
        same_a, same_b = self.decode_a(latent_a), self.decode_b(latent_b)
        fake_a, fake_b = self.decode_a(latent_b), self.decode_b(latent_a)
        code_a, code_b = self.content_b(fake_b), self.content_a(fake_a)
        again_a, again_b = self.decode_a(sample(code_a)), self.decode_b(sample(code_b))
        loss = (
            config.reconstruction_weight * (self.l1(same_a, a) + self.l1(same_b, b))
            + config.kl_weight * (mean_a.pow(2).mean() + mean_b.pow(2).mean())
            + config.recoded_weight * (code_a.pow(2).mean() + code_b.pow(2).mean())
            + config.cycle_weight * (self.l1(again_a, a) + self.l1(again_b, b))
        )
        self.update_generators(loss, fake_a, fake_b)


def sample(mean: Tensor) -> Tensor:
    """Add Gaussian noise of variance 1."""
    return mean + torch.randn_like(mean)


class PlainMunit(PlainAutoencoders):
    """MUNIT's step: discriminators, then generators."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        config, ab, ba = model.config, model.translator_ab, model.translator_ba
        self.style_a, self.style_b = (
            copy_of(style_encoder(CHANNELS, width=config.width, length=config.style), translator.look)
            for translator in (ba, ab)
        )
        sizes = {"width": config.width, "blocks": config.blocks, "style": config.style, "hidden": config.style_hidden}
        self.decode_a, self.decode_b = (
            copy_of(StyledDecoder(CHANNELS, **sizes), translator.decoder) for translator in (ba, ab)
        )
        self.use(self.content_a, self.style_b, self.decode_b, self.content_b, self.style_a, self.decode_a)

    def content_encoders(self, ab: Any, ba: Any) -> tuple[Any, Any]:
        """Return medsynth's content encoders of both domains."""
        return ab.content, ba.content

    def encode(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return contents and styles of both images."""
        return self.content_a(a), self.content_b(b), self.style_a(a), self.style_b(b)

    def step(self, a: Tensor, b: Tensor) -> None:
        """Train for one step."""
        config = self.config
        drawn_a, drawn_b = self.draw(b), self.draw(a)
        content_a, content_b, *_ = self.encode(a, b)
        self.update_judges(a, b, self.decode_a(content_b, drawn_a), self.decode_b(content_a, drawn_b))
        drawn_a, drawn_b = self.draw(b), self.draw(a)
        content_a, content_b, own_a, own_b = self.encode(a, b)
        same_a, same_b = self.decode_a(content_a, own_a), self.decode_b(content_b, own_b)
        fake_a, fake_b = self.decode_a(content_b, drawn_a), self.decode_b(content_a, drawn_b)
        again_a, again_b = self.content_b(fake_b), self.content_a(fake_a)
        style_a, style_b = self.style_a(fake_a), self.style_b(fake_b)
        cycle_a, cycle_b = self.decode_a(again_a, own_a), self.decode_b(again_b, own_b)
        loss = (
            config.reconstruction_weight * (self.l1(same_a, a) + self.l1(same_b, b))
            + config.style_weight * (self.l1(style_a, drawn_a) + self.l1(style_b, drawn_b))
            + config.content_weight * (self.l1(again_a, content_a) + self.l1(again_b, content_b))
            + config.cycle_weight * (self.l1(cycle_a, a) + self.l1(cycle_b, b))
        )
        self.update_generators(loss, fake_a, fake_b)

    def draw(self, images: Tensor) -> Tensor:
        """Draw a style for each image."""
        return torch.randn(len(images), self.config.style, device=images.device)
